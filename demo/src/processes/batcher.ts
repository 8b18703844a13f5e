/** Collects items while the previous batch is processed. */

/** Processes items in batches, one batch at a time. */
export class Batcher<T> {
  readonly #max: number;
  readonly #processBatch: (items: readonly T[]) => Promise<void>;
  readonly #pending: { readonly item: T; readonly done: PromiseWithResolvers<void> }[] = [];
  #isBusy = false;

  constructor(max: number, processBatch: (items: readonly T[]) => Promise<void>) {
    this.#max = max;
    this.#processBatch = processBatch;
  }

  /** Resolves or rejects with the batch that contains the item. */
  add(item: T): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.#pending.push({ item, done });
    if (!this.#isBusy) void this.#run();
    return done.promise;
  }

  async #run(): Promise<void> {
    this.#isBusy = true;
    // Items of the same turn share a batch.
    await Promise.resolve();
    while (this.#pending.length > 0) {
      const batch = this.#pending.splice(0, this.#max);
      try {
        await this.#processBatch(batch.map(({ item }) => item));
        for (const { done } of batch) done.resolve();
      } catch (error) {
        for (const { done } of batch) done.reject(error);
      }
    }
    this.#isBusy = false;
  }
}
