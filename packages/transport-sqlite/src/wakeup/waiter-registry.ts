/** The registry of waiters: which process waits for what. It is a table of the store, since every writer needs it. */

import type { CallContext } from '@busbar/api/driver';
import { matchTopic } from '@busbar/api/transport';
import type { Batcher } from '../connection/batcher.ts';
import type { Transaction } from '../connection/transaction.ts';
import type { CommitNotifier } from './notifier.ts';
import type { WakeupFile } from './wakeup-file.ts';

/** `queue`: a queue name; `topic`: a pattern; `kv`: a prefix of keys. */
export type WaitKind = 'queue' | 'topic' | 'kv';

interface RegisteredWaiter {
  readonly kind: WaitKind;
  readonly name: string;
  readonly process: string;
}

const MAX_CACHED_TOPICS = 10_000;
const TOUCH_EVERY_MS = 60_000;
const CLOSE_WITHIN_MS = 250;

/** Registers what this process waits for, and wakes the other processes that a commit concerns. */
export class WaiterRegistry {
  readonly #wakeupFile: WakeupFile;
  readonly #batcher: Batcher;
  /** What the store knows of this process. */
  readonly #own = new Set<string>();
  #version = -1;
  #others: readonly RegisteredWaiter[] = [];
  readonly #byTopic = new Map<string, readonly string[]>();
  #touchedAt = performance.now();

  constructor(wakeupFile: WakeupFile, batcher: Batcher, commits: CommitNotifier) {
    this.#wakeupFile = wakeupFile;
    this.#batcher = batcher;
    commits.beforeCommit.subscribe((tx) => this.#findProcesses(tx));
    commits.committed.subscribe((tx) => this.#wakeProcesses(tx));
    commits.rolledBack.subscribe(() => {
      this.#version = -1;
    });
    commits.reset.subscribe(() => {
      wakeupFile.check();
      this.#registerAgain();
    });
    wakeupFile.lost.subscribe(() => this.#registerAgain());
  }

  /** The name of this process. */
  get process(): string {
    return this.#wakeupFile.name;
  }

  /** Whether this process is registered for it. */
  has(kind: WaitKind, name: string): boolean {
    return this.#own.has(keyOf(kind, name));
  }

  /** Registers this process. Its wake-up file exists before others see the registration. */
  add(tx: Transaction, kind: WaitKind, name: string): void {
    if (this.has(kind, name)) return;
    this.#wakeupFile.listen();
    tx.sql('INSERT OR IGNORE INTO waiter (kind, ns, name, process) VALUES (?,?,?,?)').run(
      kind,
      tx.ns,
      name,
      this.process,
    );
    if (kind !== 'queue') tx.counters().waiters += 1;
    tx.afterCommit(() => this.#own.add(keyOf(kind, name)));
  }

  /** Removes a registration unless `isUsed` by then. If that fails, this process is woken needlessly until it ends. */
  removeUnused(kind: WaitKind, name: string, isUsed: () => boolean): void {
    if (isUsed() || !this.has(kind, name)) return;
    this.#batcher
      .write((tx) => {
        if (!isUsed()) this.#remove(tx, kind, name);
      })
      .catch(() => undefined);
  }

  /** What this process is registered for. */
  own(kind: WaitKind): string[] {
    const prefix = keyOf(kind, '');
    return [...this.#own].filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length));
  }

  /** Other processes that subscribe to a topic. */
  forTopic(tx: Transaction, topic: string): readonly string[] {
    this.#refresh(tx);
    const known = this.#byTopic.get(topic);
    if (known !== undefined) return known;
    const matching = this.#others.filter(({ kind, name }) => kind === 'topic' && matchTopic(name, topic));
    const processes = [...new Set(matching.map(({ process }) => process))];
    if (this.#byTopic.size >= MAX_CACHED_TOPICS) this.#byTopic.clear();
    this.#byTopic.set(topic, processes);
    return processes;
  }

  /** Once a minute: shows that this process is alive, and removes the registrations of processes that are gone. */
  async renew(): Promise<void> {
    const now = performance.now();
    if (now - this.#touchedAt < TOUCH_EVERY_MS) return;
    this.#touchedAt = now;
    this.#wakeupFile.touch();
    for (const process of this.#wakeupFile.removeAbandoned()) await this.#removeProcess(process);
  }

  /** Removes all registrations of this process. If that fails, the next process that wants to wake it removes them. */
  async close(): Promise<void> {
    if (!this.#wakeupFile.isListening) return;
    const context = { deadline: performance.now() + CLOSE_WITHIN_MS, signal: new AbortController().signal };
    await this.#removeProcess(this.process, context).catch(() => undefined);
  }

  #findProcesses(tx: Transaction): void {
    const { processesToWake } = tx;
    const add = (processes: readonly string[]): void => {
      for (const process of processes) processesToWake.add(process);
    };
    for (const { ns, name } of tx.readyQueues) add(this.#forQueue(tx, ns, name));
    for (const [ns, key] of tx.changedForeignKeys) add(this.#forForeignKey(tx, ns, key));
    for (const topic of tx.publishedTopics) add(this.forTopic(tx, topic));
    add(this.#forKeys(tx));
  }

  #wakeProcesses({ processesToWake }: Transaction): void {
    for (const process of processesToWake) {
      // If removing it fails, the next commit finds its file missing again.
      if (!this.#wakeupFile.wake(process)) this.#removeProcess(process).catch(() => undefined);
    }
  }

  #forQueue({ store }: Transaction, ns: string, queue: string): string[] {
    return store
      .sql<[string]>("SELECT process FROM waiter WHERE kind='queue' AND ns=? AND name=?")
      .all(ns, queue)
      .map(([process]) => process)
      .filter((process) => process !== this.process);
  }

  #forKeys(tx: Transaction): string[] {
    if (tx.changedKeys.size === 0) return [];
    this.#refresh(tx);
    const keys = [...tx.changedKeys];
    const isMatching = ({ kind, name }: RegisteredWaiter): boolean =>
      kind === 'kv' && keys.some((key) => key.startsWith(name));
    return this.#others.filter(isMatching).map(({ process }) => process);
  }

  #forForeignKey({ store }: Transaction, ns: string, key: string): string[] {
    return store
      .sql<[string, string]>("SELECT name, process FROM waiter WHERE kind='kv' AND ns=?")
      .all(ns)
      .filter(([prefix]) => key.startsWith(prefix))
      .map(([, process]) => process);
  }

  /** The store does not have the registrations, or others removed them since the wake-up file was gone. */
  #registerAgain(): void {
    const kinds = ['queue', 'topic', 'kv'] as const;
    const all = kinds.map((kind) => [kind, this.own(kind)] as const);
    this.#own.clear();
    this.#batcher
      .write((tx) => {
        for (const [kind, names] of all) for (const name of names) this.add(tx, kind, name);
      })
      .catch(() => undefined);
  }

  #remove(tx: Transaction, kind: WaitKind, name: string): void {
    tx.sql('DELETE FROM waiter WHERE kind=? AND ns=? AND name=? AND process=?').run(kind, tx.ns, name, this.process);
    if (kind !== 'queue') tx.counters().waiters += 1;
    // Removed before the commit: a registration that is wrongly taken as present would lose wake-ups.
    this.#own.delete(keyOf(kind, name));
  }

  #removeProcess(process: string, context?: CallContext): Promise<void> {
    return this.#batcher.write((tx) => {
      tx.sql('DELETE FROM waiter WHERE process=?').run(process);
      tx.counters().waiters += 1;
    }, context);
  }

  #refresh(tx: Transaction): void {
    const { waiters } = tx.counters();
    if (waiters === this.#version) return;
    this.#others = tx
      .sql<[WaitKind, string, string]>(
        "SELECT kind, name, process FROM waiter WHERE kind IN ('topic', 'kv') AND ns=? AND process<>?",
      )
      .all(tx.ns, this.process)
      .map(([kind, name, process]) => ({ kind, name, process }));
    this.#byTopic.clear();
    this.#version = waiters;
  }
}

function keyOf(kind: WaitKind, name: string): string {
  return `${kind}\0${name}`;
}
