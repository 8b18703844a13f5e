/** Gathers items that come one by one, while the batch before them is being carried out. */

/** Carries out items in batches, one batch at a time. */
export class Batcher<T> {
  readonly #max: number;
  readonly #carryOut: (items: readonly T[]) => Promise<void>;
  readonly #waiting: { readonly item: T; readonly done: PromiseWithResolvers<void> }[] = [];
  #busy = false;

  constructor(max: number, carryOut: (items: readonly T[]) => Promise<void>) {
    this.#max = max;
    this.#carryOut = carryOut;
  }

  /** Resolves once the batch that the item went into is carried out; rejects with what failed. */
  add(item: T): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.#waiting.push({ item, done });
    if (!this.#busy) void this.#work();
    return done.promise;
  }

  async #work(): Promise<void> {
    this.#busy = true;
    // Items of the same turn go together.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, this.#max);
      try {
        await this.#carryOut(batch.map(({ item }) => item));
        for (const { done } of batch) done.resolve();
      } catch (error) {
        for (const { done } of batch) done.reject(error);
      }
    }
    this.#busy = false;
  }
}
