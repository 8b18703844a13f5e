/** Many deadlines, one timer: a binary heap of what is to happen when. What nobody waits for any more is weeded out. */

import { MAX_TIMER_MS } from '@busbar/api/transport';

interface Due<T> {
  readonly at: number;
  readonly item: T;
}

/** As long as there are so few it is not looked which are over. */
const WEED_AT_LEAST = 1024;

export class Deadlines<T extends { readonly isOver: boolean }> {
  readonly #onDue: (item: T) => void;
  #heap: Due<T>[] = [];
  #weedAt = WEED_AT_LEAST;
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  constructor(onDue: (item: T) => void) {
    this.#onDue = onDue;
  }

  /** Has `item` come up at `at` on the clock of performance.now(), unless it is over by then. */
  add(item: T, at: number): void {
    if (at === Number.POSITIVE_INFINITY) return;
    if (this.#heap.length >= this.#weedAt) this.#weed();
    const heap = this.#heap;
    heap.push({ at, item });
    for (let child = heap.length - 1; child > 0; ) {
      const parent = (child - 1) >> 1;
      if (!this.#isLater(parent, child)) break;
      this.#swap(parent, child);
      child = parent;
    }
    this.#arm();
  }

  clear(): void {
    this.#heap.length = 0;
    clearTimeout(this.#timer);
    this.#timerAt = Number.POSITIVE_INFINITY;
  }

  /** A list in order is a heap. */
  #weed(): void {
    this.#heap = this.#heap.filter(({ item }) => !item.isOver).sort((left, right) => left.at - right.at);
    this.#weedAt = Math.max(WEED_AT_LEAST, this.#heap.length * 2);
  }

  #arm(): void {
    const at = this.#heap[0]?.at ?? Number.POSITIVE_INFINITY;
    if (at === this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    if (at === Number.POSITIVE_INFINITY) return;
    const ms = Math.min(MAX_TIMER_MS, Math.max(0, Math.ceil(at - performance.now())));
    this.#timer = setTimeout(() => this.#fire(), ms);
  }

  #fire(): void {
    this.#timerAt = Number.POSITIVE_INFINITY;
    const now = performance.now();
    for (let first = this.#heap[0]; first !== undefined && first.at <= now; first = this.#heap[0]) {
      this.#removeFirst();
      if (!first.item.isOver) this.#onDue(first.item);
    }
    this.#arm();
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    heap[0] = last;
    for (let parent = 0; ; ) {
      let least = parent;
      for (const child of [2 * parent + 1, 2 * parent + 2]) {
        if (child < heap.length && this.#isLater(least, child)) least = child;
      }
      if (least === parent) return;
      this.#swap(least, parent);
      parent = least;
    }
  }

  #isLater(left: number, right: number): boolean {
    return (this.#heap[left]?.at ?? 0) > (this.#heap[right]?.at ?? 0);
  }

  #swap(left: number, right: number): void {
    const item = this.#heap[left] as Due<T>;
    this.#heap[left] = this.#heap[right] as Due<T>;
    this.#heap[right] = item;
  }
}
