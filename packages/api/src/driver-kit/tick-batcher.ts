/** Merges the calls of one turn of the event loop into few requests. */

/** How a {@link TickBatcher} works. */
export interface TickBatcherOptions<Item, Result> {
  /** Carries out a batch: one result for each item, in order. `deadline` is the latest of its calls. */
  readonly run: (key: string, items: readonly Item[], deadline: number) => Promise<readonly Result[]>;
  /** Calls `flush` at the end of the turn. Default: in a microtask. */
  readonly schedule?: (flush: () => void) => void;
  /** Items of one batch. Default: no bound. A call with more is a batch of its own. */
  readonly maxItems?: number;
  /** Size of one batch, as `sizeOf` measures it. Default: no bound. */
  readonly maxSize?: number;
  readonly sizeOf?: (item: Item) => number;
  /** Called when a batch has its results. The second half of its callers get theirs when the promise resolves. Default: at once. */
  readonly stagger?: (items: number) => Promise<void> | undefined;
}

interface Batch<Item, Result> {
  readonly key: string;
  readonly results: PromiseWithResolvers<readonly Result[]>;
  items: readonly Item[];
  isCopied: boolean;
  size: number;
  deadline: number;
  /** What the second half of the callers wait for. */
  secondHalf: Promise<void> | undefined;
}

/** Calls with the same key share a batch; batches run in the order of their first call. */
export class TickBatcher<Item, Result> {
  readonly #options: TickBatcherOptions<Item, Result>;
  /** Batches that run together. */
  #batches: Batch<Item, Result>[] = [];
  /** The batch of each key that takes further calls. */
  #open = new Map<string, Batch<Item, Result>>();

  constructor(options: TickBatcherOptions<Item, Result>) {
    this.#options = options;
  }

  /** Resolves with the results of `items`, in order. */
  async call(
    key: string,
    items: readonly Item[],
    deadline: number = Number.POSITIVE_INFINITY,
  ): Promise<readonly Result[]> {
    const size = this.#sizeOf(items);
    const known = this.#open.get(key);
    const batch = known !== undefined && this.#hasRoom(known, items.length, size) ? known : this.#begin(key);
    const from = batch.items.length;
    append(batch, items);
    batch.size += size;
    batch.deadline = Math.max(batch.deadline, deadline);
    const results = await batch.results.promise;
    if (batch.secondHalf !== undefined && from * 2 >= batch.items.length) await batch.secondHalf;
    return results.length === items.length ? results : results.slice(from, from + items.length);
  }

  /** Later calls begin new batches, which run later: what is scheduled between them takes effect between them. */
  seal(): void {
    this.#batches = [];
    this.#open = new Map();
  }

  /** Runs what was collected, now. */
  flush(): void {
    this.#run(this.#batches);
  }

  #run(batches: Batch<Item, Result>[]): void {
    if (batches === this.#batches) this.seal();
    for (const batch of batches.splice(0)) {
      const { key, items, deadline, results } = batch;
      this.#options.run(key, items, deadline).then((all) => {
        batch.secondHalf = this.#options.stagger?.(items.length);
        results.resolve(all);
      }, results.reject);
    }
  }

  #begin(key: string): Batch<Item, Result> {
    const results = Promise.withResolvers<readonly Result[]>();
    const batch = { key, results, items: [], isCopied: false, size: 0, deadline: 0, secondHalf: undefined };
    const batches = this.#batches;
    if (batches.length === 0) (this.#options.schedule ?? queueMicrotask)(() => this.#run(batches));
    batches.push(batch);
    this.#open.set(key, batch);
    return batch;
  }

  #hasRoom(batch: Batch<Item, Result>, count: number, size: number): boolean {
    const { maxItems = Number.POSITIVE_INFINITY, maxSize = Number.POSITIVE_INFINITY } = this.#options;
    return batch.items.length + count <= maxItems && batch.size + size <= maxSize;
  }

  #sizeOf(items: readonly Item[]): number {
    const { sizeOf } = this.#options;
    if (sizeOf === undefined) return 0;
    let size = 0;
    for (const item of items) size += sizeOf(item);
    return size;
  }
}

/** The items of a call that stays alone are not copied. */
function append<Item, Result>(batch: Batch<Item, Result>, items: readonly Item[]): void {
  if (batch.items.length === 0) batch.items = items;
  else if (batch.isCopied) (batch.items as Item[]).push(...items);
  else {
    batch.items = [...batch.items, ...items];
    batch.isCopied = true;
  }
}
