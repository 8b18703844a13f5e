/** What a store pushes, kept until a client asks for it: one batch at a time, so that the client's asking is the credit. */

import type { Cancellation } from '../cancellation-token.ts';

/** One batch between a handler of the store and the requests of a client. */
export class Feed<T> {
  #items: readonly T[] = [];
  #taken = 0;
  /** Tells the store that its batch was handled. */
  #done: (() => void) | undefined;
  #wake: (() => void) | undefined;
  #end: { readonly error: unknown } | undefined;

  /** Whether a client waits and there is nothing. */
  get isWaiting(): boolean {
    return this.#wake !== undefined;
  }

  /** Takes a batch of the store; resolves when the client has asked for what follows it. */
  take(items: readonly T[]): Promise<void> {
    if (this.#end !== undefined) return Promise.resolve();
    this.#items = items;
    this.#taken = 0;
    this.#wake?.();
    return new Promise((resolve) => {
      this.#done = resolve;
    });
  }

  /** Nothing more comes. */
  end(error: unknown): void {
    this.#end ??= { error };
    this.#done?.();
    this.#wake?.();
  }

  /** Up to `max` items or about `maxBytes`, once one is there; the client has handled what it got before. */
  async next(
    max: number,
    sizeOf: (item: T) => number,
    maxBytes: number,
    cancellation: Cancellation,
  ): Promise<readonly T[]> {
    if (this.#taken >= this.#items.length) {
      this.#done?.();
      this.#done = undefined;
    }
    while (this.#taken >= this.#items.length) {
      if (cancellation.reason !== undefined) throw cancellation.reason;
      if (this.#end !== undefined) {
        if (this.#end.error !== undefined) throw this.#end.error;
        return [];
      }
      await this.#waken(cancellation);
    }
    return this.#cut(max, sizeOf, maxBytes);
  }

  async #waken(cancellation: Cancellation): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    cancellation.onCancel(() => resolve());
    await promise;
    this.#wake = undefined;
  }

  #cut(max: number, sizeOf: (item: T) => number, maxBytes: number): readonly T[] {
    const from = this.#taken;
    let bytes = 0;
    for (const item of this.#items.slice(from, from + max)) {
      bytes += sizeOf(item);
      if (bytes > maxBytes && this.#taken > from) break;
      this.#taken += 1;
    }
    return this.#items.slice(from, this.#taken);
  }
}
