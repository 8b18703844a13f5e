/** The loop of a subscription or a watch: reads a cursor and calls a handler, one batch at a time. */

import type { Cursor } from '../contract/driver.ts';
import { type BusbarError, toBusbarError } from '../contract/errors.ts';
import type { KvWatch } from '../contract/kv.ts';
import { type BatchLimit, BatchSize } from '../driver-kit/batch-size.ts';

/** How large the batches of a {@link CursorPump} are. */
export interface PumpLimit<T> extends BatchLimit {
  /** The size of an item in bytes. */
  sizeOf(item: T): number;
}

/** Calls `handle` with each batch of `cursor` until it is closed or either fails. A watch of a user is one. */
export class CursorPump<T> implements KvWatch {
  readonly ended: Promise<BusbarError | undefined>;
  readonly #cursor: Cursor<T>;
  #closed = false;

  constructor(cursor: Cursor<T>, limit: PumpLimit<T>, handle: (items: readonly T[]) => void | Promise<void>) {
    this.#cursor = cursor;
    this.ended = this.#run(limit, handle);
  }

  /** Ends the loop; resolves when the handler's last call has returned. */
  async close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      await this.#cursor.close();
    }
    await this.ended;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run(
    limit: PumpLimit<T>,
    handle: (items: readonly T[]) => void | Promise<void>,
  ): Promise<BusbarError | undefined> {
    const size = new BatchSize(limit);
    try {
      while (!this.#closed) {
        const items = await this.#cursor.next(size.count);
        if (this.#closed || items.length === 0) continue;
        if (limit.maxBytes !== undefined) {
          size.record(
            items.length,
            items.reduce((bytes, item) => bytes + limit.sizeOf(item), 0),
          );
        }
        await handle(items);
      }
      return undefined;
    } catch (error) {
      if (this.#closed) return undefined;
      this.#closed = true;
      await this.#cursor.close();
      return toBusbarError(error);
    }
  }
}
