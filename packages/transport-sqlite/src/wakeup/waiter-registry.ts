/** Who listens for what, so that whoever writes knows which bells to ring. Kept in the store, since it concerns all processes. */

import { matchTopic } from '@busbar/api/transport';
import type { Transaction } from '../connection/transaction.ts';

/** `queue`: the name of one; `topic`: a pattern; `entry`: a prefix of keys. */
export type Kind = 'queue' | 'topic' | 'entry';

interface Listener {
  readonly kind: Kind;
  readonly name: string;
  readonly process: string;
}

const MAX_REMEMBERED = 10_000;

export class Listeners {
  readonly #process: string;
  readonly #own = new Set<string>();
  #version = -1;
  #others: readonly Listener[] = [];
  readonly #byTopic = new Map<string, readonly string[]>();

  constructor(process: string) {
    this.#process = process;
  }

  /** Whether the store knows that this process listens. */
  has(kind: Kind, name: string): boolean {
    return this.#own.has(keyOf(kind, name));
  }

  /** Tells the store that this process listens. */
  add(transaction: Transaction, kind: Kind, name: string): void {
    if (this.has(kind, name)) return;
    const { store } = transaction;
    store
      .sql('INSERT OR IGNORE INTO listener (kind, ns, name, process) VALUES (?,?,?,?)')
      .run(kind, store.ns, name, this.#process);
    if (kind !== 'queue') transaction.counter().listeners += 1;
    transaction.afterCommit(() => this.#own.add(keyOf(kind, name)));
  }

  /** Tells the store that it does not any more. */
  remove(transaction: Transaction, kind: Kind, name: string): void {
    const { store } = transaction;
    store
      .sql('DELETE FROM listener WHERE kind=? AND ns=? AND name=? AND process=?')
      .run(kind, store.ns, name, this.#process);
    if (kind !== 'queue') transaction.counter().listeners += 1;
    // Forgotten before the commit: to believe wrongly that the store knows would be the worse mistake.
    this.#own.delete(keyOf(kind, name));
  }

  /** Forgets a process that is gone, or this one. */
  removeProcess(transaction: Transaction, process: string): void {
    transaction.store.sql('DELETE FROM listener WHERE process=?').run(process);
    transaction.counter().listeners += 1;
  }

  /** What this process has told the store it listens for. */
  own(kind: Kind): string[] {
    const front = keyOf(kind, '');
    return [...this.#own].filter((key) => key.startsWith(front)).map((key) => key.slice(front.length));
  }

  /** The bell was taken away: nothing the store knew of this process holds any more. */
  forgetOwn(): void {
    this.#own.clear();
  }

  /** Other processes that wait for messages of a queue. */
  forQueue(transaction: Transaction, ns: string, queue: string): string[] {
    return transaction.store
      .sql<[string]>("SELECT process FROM listener WHERE kind='queue' AND ns=? AND name=?")
      .all(ns, queue)
      .map(([process]) => process)
      .filter((process) => process !== this.#process);
  }

  /** Other processes that subscribe to a topic. */
  forTopic(transaction: Transaction, topic: string): readonly string[] {
    this.#refresh(transaction);
    const known = this.#byTopic.get(topic);
    if (known !== undefined) return known;
    const matching = this.#others.filter(({ kind, name }) => kind === 'topic' && matchTopic(name, topic));
    const processes = [...new Set(matching.map(({ process }) => process))];
    if (this.#byTopic.size >= MAX_REMEMBERED) this.#byTopic.clear();
    this.#byTopic.set(topic, processes);
    return processes;
  }

  /** Other processes that watch the entry of a key. */
  forEntry(transaction: Transaction, key: string): string[] {
    this.#refresh(transaction);
    const matching = this.#others.filter(({ kind, name }) => kind === 'entry' && key.startsWith(name));
    return matching.map(({ process }) => process);
  }

  /** Processes that watch an entry of another namespace. */
  forForeignEntry(transaction: Transaction, ns: string, key: string): string[] {
    return transaction.store
      .sql<[string, string]>("SELECT name, process FROM listener WHERE kind='entry' AND ns=?")
      .all(ns)
      .filter(([prefix]) => key.startsWith(prefix))
      .map(([, process]) => process);
  }

  /** What was read may belong to a transaction that did not come to be. */
  forgetOthers(): void {
    this.#version = -1;
  }

  #refresh(transaction: Transaction): void {
    const { listeners } = transaction.counter();
    if (listeners === this.#version) return;
    const { store } = transaction;
    this.#others = store
      .sql<[Kind, string, string]>(
        "SELECT kind, name, process FROM listener WHERE kind IN ('topic', 'entry') AND ns=? AND process<>?",
      )
      .all(store.ns, this.#process)
      .map(([kind, name, process]) => ({ kind, name, process }));
    this.#byTopic.clear();
    this.#version = listeners;
  }
}

function keyOf(kind: Kind, name: string): string {
  return `${kind}\0${name}`;
}
