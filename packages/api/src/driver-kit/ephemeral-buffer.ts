/** Ephemeral events that wait for a slow handler: bounded, with the dropped ones counted. */

/** Bounds of an {@link EphemeralBuffer}. */
export interface EphemeralBounds {
  /** Default 1,000. */
  readonly maxItems?: number;
  /** Default 4,194,304 (4 MiB). */
  readonly maxBytes?: number;
}

const CUT_AT = 256;

/** A first-in, first-out buffer. An item that does not fit is dropped. */
export class EphemeralBuffer<T> {
  readonly #maxItems: number;
  readonly #maxBytes: number;
  #items: { readonly item: T; readonly bytes: number }[] = [];
  /** Items before this index are taken; the array is cut in large steps. */
  #start = 0;
  #bytes = 0;
  #dropped = 0;

  constructor({ maxItems = 1000, maxBytes = 4_194_304 }: EphemeralBounds = {}) {
    this.#maxItems = maxItems;
    this.#maxBytes = maxBytes;
  }

  get length(): number {
    return this.#items.length - this.#start;
  }

  /** How many items were dropped. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Adds `item`, or counts it as dropped. Returns whether it was added. */
  push(item: T, bytes: number): boolean {
    if (this.length >= this.#maxItems || this.#bytes + bytes > this.#maxBytes) {
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
    return this.#items[this.#start + index]?.item;
  }

  /** Removes the first `count` items. */
  take(count: number): T[] {
    const taken: T[] = [];
    while (taken.length < count) {
      const item = this.shift();
      if (item === undefined) break;
      taken.push(item);
    }
    return taken;
  }

  /** Removes the first item. */
  shift(): T | undefined {
    const first = this.#items[this.#start];
    if (first === undefined) return undefined;
    this.#bytes -= first.bytes;
    this.#start += 1;
    if (this.#start === this.#items.length || this.#start >= CUT_AT) {
      this.#items = this.#items.slice(this.#start);
      this.#start = 0;
    }
    return first.item;
  }

  /** Removes every item. */
  clear(): void {
    this.#items = [];
    this.#start = 0;
    this.#bytes = 0;
  }
}
