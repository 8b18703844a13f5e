/** Ephemeral events that wait for a slow handler: bounded, with the dropped ones counted. */

/** Bounds of an {@link EphemeralBuffer}. */
export interface EphemeralBounds {
  /** Default 1,000. */
  readonly maxItems?: number;
  /** Default 4,194,304 (4 MiB). */
  readonly maxBytes?: number;
}

/** A first-in, first-out buffer. An item that does not fit is dropped. */
export class EphemeralBuffer<T> {
  readonly #maxItems: number;
  readonly #maxBytes: number;
  #items: { readonly item: T; readonly bytes: number }[] = [];
  #bytes = 0;
  #dropped = 0;

  constructor({ maxItems = 1000, maxBytes = 4_194_304 }: EphemeralBounds = {}) {
    this.#maxItems = maxItems;
    this.#maxBytes = maxBytes;
  }

  get length(): number {
    return this.#items.length;
  }

  /** How many items were dropped. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Adds `item`, or counts it as dropped. Returns whether it was added. */
  push(item: T, bytes: number): boolean {
    if (this.#items.length >= this.#maxItems || this.#bytes + bytes > this.#maxBytes) {
      this.#dropped += 1;
      return false;
    }
    this.#items.push({ item, bytes });
    this.#bytes += bytes;
    return true;
  }

  /** Counts items that were dropped before they came here. */
  drop(count: number): void {
    this.#dropped += count;
  }

  /** The item at `index`, without removing it. */
  at(index: number): T | undefined {
    return this.#items[index]?.item;
  }

  /** Removes the first `count` items. */
  take(count: number): T[] {
    const taken = this.#items.splice(0, count);
    for (const { bytes } of taken) this.#bytes -= bytes;
    return taken.map(({ item }) => item);
  }

  /** Removes every item. */
  clear(): void {
    this.#items = [];
    this.#bytes = 0;
  }
}
