/** Everything that waits in this process: receives, event cursors and kv watches. Wakes them after a write of another process. */

import type { WaitingReceives } from '@busbar/api/driver';
import type { Store } from '../connection/store.ts';
import type { KvWatches } from '../kv/watch.ts';
import type { EventCursors } from '../topics/cursors.ts';
import { Notifier } from './notifier.ts';
import type { WakeupFile } from './wakeup-file.ts';

/** Up to this many queues each is checked after a wake-up; beyond, one query lists those with messages. */
const FEW_QUEUES = 100;

export class LocalWaiters {
  /** Notifies after a waiter was added or removed, or all were woken. */
  readonly changed: Notifier = new Notifier();
  readonly #store: Store;
  readonly #receives: WaitingReceives;
  readonly #cursors: EventCursors;
  readonly #watches: KvWatches;
  #isClosed = false;

  constructor(
    store: Store,
    wakeupFile: WakeupFile,
    waiters: { readonly receives: WaitingReceives; readonly cursors: EventCursors; readonly watches: KvWatches },
  ) {
    this.#store = store;
    this.#receives = waiters.receives;
    this.#cursors = waiters.cursors;
    this.#watches = waiters.watches;
    wakeupFile.wakeups.subscribe(() => this.wakeAll());
    this.#receives.onChange(() => this.changed.notify());
    this.#cursors.sizeChanged.subscribe(() => this.changed.notify());
    this.#watches.sizeChanged.subscribe(() => this.changed.notify());
  }

  get isEmpty(): boolean {
    return !this.hasReceives && !this.hasWatches && this.#cursors.size === 0;
  }

  get hasReceives(): boolean {
    return this.#receives.queues.size > 0;
  }

  get hasWatches(): boolean {
    return this.#watches.size > 0;
  }

  /** Another process has written: all waiters look at the store. */
  wakeAll(): void {
    if (this.#isClosed || !this.#store.isOpen) return;
    this.#wakeReceives();
    this.#cursors.wakeAll();
    this.wakeWatches();
    this.changed.notify();
  }

  wakeWatches(): void {
    this.#watches.wakeAll();
  }

  /** Closes cursors and watches. `openTransport` has ended the receives before. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#cursors.close();
    await this.#watches.close();
  }

  /** None if the store cannot be read: the scheduler looks again. */
  #readyQueues(): readonly [string][] {
    try {
      return this.#store.sql<[string]>('SELECT name FROM queue WHERE ns=? AND ready > 0').all(this.#store.ns);
    } catch {
      return [];
    }
  }

  #wakeReceives(): void {
    if (this.#receives.queues.size <= FEW_QUEUES) {
      this.#receives.wakeAll();
      return;
    }
    for (const [queue] of this.#readyQueues()) this.#receives.wake(queue);
  }
}
