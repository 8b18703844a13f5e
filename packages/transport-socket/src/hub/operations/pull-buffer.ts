/** A buffer between a store that pushes batches and a client that pulls them. A pull gives the store credit. */

import { Condition } from '@busbar/api/driver';
import type { CancellationToken } from '../cancellation-token.ts';

/** Limits of one pull. */
export interface PullLimits<T> {
  readonly max: number;
  readonly maxBytes: number;
  readonly sizeOf: (item: T) => number;
}

/** Holds one batch of the store until the client has pulled and handled it. */
export class PullBuffer<T> {
  readonly #changed = new Condition();
  #items: readonly T[] = [];
  #pulled = 0;
  /** Tells the store that its batch was handled. */
  #onHandled: (() => void) | undefined;
  #end: { readonly error: unknown } | undefined;

  /** Whether a client waits for items. */
  get isWaiting(): boolean {
    return this.#changed.isAwaited;
  }

  /** Takes a batch of the store. Resolves when the client has handled it. */
  push(items: readonly T[]): Promise<void> {
    if (this.#end !== undefined) return Promise.resolve();
    this.#items = items;
    this.#pulled = 0;
    this.#changed.notify();
    return new Promise((resolve) => {
      this.#onHandled = resolve;
    });
  }

  /** Ends the stream; pulls reject with `error` if it is defined. */
  end(error: unknown): void {
    this.#end ??= { error };
    this.#onHandled?.();
    this.#changed.notify();
  }

  /** The next items, at least one; none at the end. The client has handled the previous ones. */
  async pull(limits: PullLimits<T>, cancellation: CancellationToken): Promise<readonly T[]> {
    if (this.#isEmpty()) {
      this.#onHandled?.();
      this.#onHandled = undefined;
    }
    while (this.#isEmpty()) {
      if (cancellation.reason !== undefined) throw cancellation.reason;
      if (this.#end !== undefined) {
        if (this.#end.error !== undefined) throw this.#end.error;
        return [];
      }
      cancellation.onCancel(() => this.#changed.notify());
      await this.#changed.wait();
    }
    return this.#take(limits);
  }

  #isEmpty(): boolean {
    return this.#pulled >= this.#items.length;
  }

  #take({ max, maxBytes, sizeOf }: PullLimits<T>): readonly T[] {
    const from = this.#pulled;
    let bytes = 0;
    for (const item of this.#items.slice(from, from + max)) {
      bytes += sizeOf(item);
      if (bytes > maxBytes && this.#pulled > from) break;
      this.#pulled += 1;
    }
    return this.#items.slice(from, this.#pulled);
  }
}
