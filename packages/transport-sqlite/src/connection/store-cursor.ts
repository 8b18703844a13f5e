/** A cursor over the store: reads when it was woken, and otherwise waits. */

import { Condition, type Cursor } from '@busbar/api/driver';
import type { Batcher } from './batcher.ts';
import type { Transaction } from './transaction.ts';

/** The result of one read. */
export interface CursorRead<Item> {
  readonly items: readonly Item[];
  /** Whether nothing more can be read until the next wake-up. */
  readonly isAll: boolean;
}

export abstract class StoreCursor<Item> implements Cursor<Item> {
  readonly #batcher: Batcher;
  readonly #onClose: () => void;
  readonly #woken = new Condition();
  #mayHaveMore = true;
  #isClosed = false;
  /** The store was replaced or rolled back since the last read. */
  protected isReset = false;

  constructor(batcher: Batcher, onClose: () => void) {
    this.#batcher = batcher;
    this.#onClose = onClose;
  }

  /** Reads up to `max` items. It may run again, so it changes the cursor's position only after the commit. */
  protected abstract read(tx: Transaction, max: number): CursorRead<Item>;

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** The next items, as soon as there are some. Empty once the cursor is closed. */
  async next(max: number): Promise<readonly Item[]> {
    while (!this.#isClosed) {
      if (!this.#mayHaveMore) {
        await this.#woken.wait();
        continue;
      }
      this.#mayHaveMore = false;
      const { items, isAll } = await this.#readAhead(max);
      if (!isAll) this.#mayHaveMore = true;
      if (items.length > 0 && !this.#isClosed) return items;
    }
    return [];
  }

  /** There may be new items. */
  wake(): void {
    this.#mayHaveMore = true;
    this.#woken.notify();
  }

  /** Continues over the present store, which was replaced or rolled back. */
  reset(): void {
    this.isReset = true;
    this.wake();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#woken.notify();
    this.#onClose();
  }

  async #readAhead(max: number): Promise<CursorRead<Item>> {
    try {
      return await this.#batcher.readAhead((tx) => this.read(tx, max));
    } catch (error) {
      // Without a file it waits: it is woken when the store is open again.
      if (this.#isClosed || !this.#batcher.isOpen) return { items: [], isAll: true };
      this.#mayHaveMore = true;
      throw error;
    }
  }
}
