/** The batches that an inner subscription or watch passes to its handler, for a cursor. */

import type { Condition } from '@busbar/api/driver';
import { BusbarError } from '@busbar/api/transport';
import { ownError } from './calls.ts';

/** One batch at a time: the inner source goes on when all of it was taken and handled. */
export class BatchFeed<T> {
  readonly #changed: Condition;
  #items: readonly T[] = [];
  /** Lets the inner source go on. */
  #credit: (() => void) | undefined;
  #error: BusbarError | undefined;
  #isClosed = false;

  /** Notifies `changed` of items and of the end. */
  constructor(changed: Condition) {
    this.#changed = changed;
  }

  /** The handler of the inner source. */
  async push(items: readonly T[]): Promise<void> {
    if (this.#isClosed) return;
    this.#items = items;
    this.#changed.notify();
    await new Promise<void>((resolve) => {
      this.#credit = resolve;
    });
    this.#credit = undefined;
  }

  /** Fails the feed when the inner source ends by itself. */
  failAt(ended: Promise<BusbarError | undefined>): void {
    void ended.then((error) => {
      if (this.#isClosed) return;
      this.#error = ownError(error ?? new BusbarError('CLOSED', 'the store was closed'));
      this.#changed.notify();
    });
  }

  /** Up to `max` items, none if there are none yet. All items of earlier calls are handled. Throws the error of the source. */
  take(max: number): readonly T[] {
    const items = this.#items.slice(0, max);
    this.#items = this.#items.slice(max);
    if (items.length > 0) return items;
    if (this.#error !== undefined) throw this.#error;
    this.#credit?.();
    return [];
  }

  /** Ends the feed. The inner source is closed after it. */
  close(): void {
    this.#isClosed = true;
    this.#items = [];
    this.#credit?.();
    this.#changed.notify();
  }
}
