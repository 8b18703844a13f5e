/** A binary heap whose items know their slot, so that any of them can be taken out in logarithmic time. */

/** What a heap holds. One item is in one heap at most. */
export interface Slotted {
  /** Its place in the array of its heap; -1 when it is in none. */
  slot: number;
}

/** The least item first, by `isBefore`. */
export class Heap<T extends Slotted> {
  readonly #items: T[] = [];
  readonly #isBefore: (a: T, b: T) => boolean;

  constructor(isBefore: (a: T, b: T) => boolean) {
    this.#isBefore = isBefore;
  }

  get size(): number {
    return this.#items.length;
  }

  get first(): T | undefined {
    return this.#items[0];
  }

  /** All items, in no order. */
  values(): Iterable<T> {
    return this.#items;
  }

  add(item: T): void {
    item.slot = this.#items.length;
    this.#items.push(item);
    this.#rise(item);
  }

  /** Takes `item` out; nothing happens where it is not in. */
  remove(item: T): void {
    const { slot } = item;
    if (slot < 0) return;
    const last = this.#items.pop();
    item.slot = -1;
    if (last === undefined || last === item) return;
    this.#put(last, slot);
    this.#rise(last);
    this.#sink(last);
  }

  #rise(item: T): void {
    while (item.slot > 0) {
      const parent = this.#items[(item.slot - 1) >> 1];
      if (parent === undefined || !this.#isBefore(item, parent)) return;
      this.#swap(item, parent);
    }
  }

  #sink(item: T): void {
    for (;;) {
      const left = this.#items[item.slot * 2 + 1];
      if (left === undefined) return;
      const right = this.#items[item.slot * 2 + 2];
      const child = right !== undefined && this.#isBefore(right, left) ? right : left;
      if (!this.#isBefore(child, item)) return;
      this.#swap(child, item);
    }
  }

  #swap(a: T, b: T): void {
    const slot = a.slot;
    this.#put(a, b.slot);
    this.#put(b, slot);
  }

  #put(item: T, slot: number): void {
    item.slot = slot;
    this.#items[slot] = item;
  }
}
