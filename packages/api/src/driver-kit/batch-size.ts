/** How many items a read takes, so that its batch has about a given size though the sizes of items differ. */

/** The limits of a {@link BatchSize}. */
export interface BatchLimit {
  /** The most items. */
  readonly max: number;
  /** About how many bytes. Default: only `max` counts. */
  readonly maxBytes?: number | undefined;
  /** The largest possible item: the first batch has room for some of these. */
  readonly maxItemBytes: number;
}

/** A batch has at most this many times the items of the previous one: items may become larger. */
const GROWTH = 4;

/** The number of items of the next batch, by the size of the previous one. */
export class BatchSize {
  readonly #limit: BatchLimit;
  #count: number;

  constructor(limit: BatchLimit) {
    const { max, maxBytes = Number.POSITIVE_INFINITY, maxItemBytes } = limit;
    this.#limit = limit;
    this.#count = Math.max(1, Math.min(max, Math.floor(maxBytes / maxItemBytes)));
  }

  get count(): number {
    return this.#count;
  }

  /** Takes the size of a batch. */
  record(items: number, bytes: number): void {
    const { max, maxBytes } = this.#limit;
    if (maxBytes === undefined || items === 0) return;
    const fitting = Math.floor((maxBytes * items) / Math.max(1, bytes));
    this.#count = Math.max(1, Math.min(max, this.#count * GROWTH, fitting));
  }
}
