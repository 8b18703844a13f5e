/** A binary heap whose items know their slot, so that any item can be removed in logarithmic time. */

/** What a {@link Heap} holds. An item is in one heap at most. */
export interface HeapItem {
  /** Its index in the heap; -1 outside of it. The heap sets it. */
  slot: number;
}

/** Items in the order of `isBefore`. */
export class Heap<T extends HeapItem> {
  readonly #items: T[] = [];
  readonly #isBefore: (one: T, other: T) => boolean;

  constructor(isBefore: (one: T, other: T) => boolean) {
    this.#isBefore = isBefore;
  }

  get size(): number {
    return this.#items.length;
  }

  get first(): T | undefined {
    return this.#items[0];
  }

  add(item: T): void {
    item.slot = this.#items.length;
    this.#items.push(item);
    this.#siftUp(item);
  }

  /** Removes `item`; does nothing when it is not in the heap. */
  remove(item: T): void {
    const { slot } = item;
    if (slot < 0) return;
    const last = this.#items.pop();
    item.slot = -1;
    if (last === undefined || last === item) return;
    this.#put(last, slot);
    this.#siftUp(last);
    this.#siftDown(last);
  }

  clear(): void {
    for (const item of this.#items) item.slot = -1;
    this.#items.length = 0;
  }

  #siftUp(item: T): void {
    while (item.slot > 0) {
      const parent = this.#items[(item.slot - 1) >> 1];
      if (parent === undefined || !this.#isBefore(item, parent)) return;
      this.#swap(item, parent);
    }
  }

  #siftDown(item: T): void {
    for (;;) {
      const left = this.#items[item.slot * 2 + 1];
      if (left === undefined) return;
      const right = this.#items[item.slot * 2 + 2];
      const child = right !== undefined && this.#isBefore(right, left) ? right : left;
      if (!this.#isBefore(child, item)) return;
      this.#swap(child, item);
    }
  }

  #swap(one: T, other: T): void {
    const slot = one.slot;
    this.#put(one, other.slot);
    this.#put(other, slot);
  }

  #put(item: T, slot: number): void {
    item.slot = slot;
    this.#items[slot] = item;
  }
}
