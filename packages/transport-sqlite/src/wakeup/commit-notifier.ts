/** Who is to be told of what a transaction has stored: those who wait in this process, and the bells of others. */

import type { Batcher, Witness } from '../connection/batcher.ts';
import type { Transaction } from '../connection/transaction.ts';
import type { EntryWatches } from '../kv/watch.ts';
import type { WaitingRoom } from '../queues/pending-receives.ts';
import type { Bindings } from '../topics/bindings.ts';
import type { Cursors } from '../topics/cursors.ts';
import type { Listeners } from './waiter-registry.ts';
import type { Bell } from './wakeup-file.ts';

/** What is woken. */
export interface Sleepers {
  readonly batcher: Batcher;
  readonly bindings: Bindings;
  readonly bell: Bell;
  readonly listeners: Listeners;
  readonly waiting: WaitingRoom;
  readonly cursors: Cursors;
  readonly watches: EntryWatches;
  /** When something comes due next may have changed. */
  onComingDue(): void;
}

export class Signals implements Witness {
  #sleepers: Sleepers | undefined;

  /** Set once they are there: they need the batcher, which needs this. */
  attach(sleepers: Sleepers): void {
    this.#sleepers = sleepers;
  }

  beforeCommit(transaction: Transaction): void {
    const listeners = this.#sleepers?.listeners;
    if (listeners === undefined) return;
    const { rings } = transaction;
    for (const { ns, name } of transaction.queuesWoken) {
      for (const bell of listeners.forQueue(transaction, ns, name)) rings.add(bell);
    }
    for (const [ns, key] of transaction.foreignKeys) {
      for (const bell of listeners.forForeignEntry(transaction, ns, key)) rings.add(bell);
    }
    for (const topic of transaction.topics) for (const bell of listeners.forTopic(transaction, topic)) rings.add(bell);
    for (const key of transaction.keys) for (const bell of listeners.forEntry(transaction, key)) rings.add(bell);
  }

  committed(transaction: Transaction): void {
    const sleepers = this.#sleepers;
    if (sleepers === undefined) return;
    for (const { ns, name } of transaction.queuesWoken) if (ns === transaction.store.ns) sleepers.waiting.look(name);
    if (transaction.queuesWoken.size > 0) sleepers.onComingDue();
    if (transaction.topics.size > 0) sleepers.cursors.wake(transaction.topics);
    if (transaction.keys.size > 0) sleepers.watches.wake(transaction.keys);
    for (const name of transaction.rings) if (!sleepers.bell.ring(name)) this.#forget(sleepers, name);
  }

  rolledBack(): void {
    this.#sleepers?.bindings.forget();
    this.#sleepers?.listeners.forgetOthers();
  }

  #forget({ batcher, listeners }: Sleepers, process: string): void {
    // Should it fail, the next ring finds the bell missing again.
    batcher.write((transaction) => listeners.removeProcess(transaction, process)).catch(() => undefined);
  }
}
