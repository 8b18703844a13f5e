/** Notifiers are made first and handed down: one object notifies, and others subscribe. */

import type { StoreReset } from '@busbar/api/transport';
import type { Transaction } from '../connection/transaction.ts';

export class Notifier<Arguments extends unknown[] = []> {
  readonly #subscribers: ((...args: Arguments) => void)[] = [];

  subscribe(subscriber: (...args: Arguments) => void): void {
    this.#subscribers.push(subscriber);
  }

  /** Calls the subscribers in the order in which they subscribed. */
  notify(...args: Arguments): void {
    for (const subscriber of this.#subscribers) subscriber(...args);
  }
}

/** Notifies of transactions: the batcher notifies, and all that depends on changes of the store subscribes. */
export class CommitNotifier {
  /** All changes are written: the last moment to read what is needed after the commit. */
  readonly beforeCommit: Notifier<[Transaction]> = new Notifier();
  /** The changes are stored, and the callers have their results. */
  readonly committed: Notifier<[Transaction]> = new Notifier();
  /** A transaction was rolled back: drop what was read in it. */
  readonly rolledBack: Notifier = new Notifier();
  /** The store was replaced or rolled back: what this process has read and registered before is no longer valid. */
  readonly reset: Notifier<[StoreReset]> = new Notifier();
}
