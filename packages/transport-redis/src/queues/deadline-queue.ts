/** Many times to be remembered, with one timer. */

import { MAX_TIMER_MS } from '@busbar/api/transport';

interface Alarm<T> {
  at: number;
  readonly what: T;
}

/** Rings for each thing at its time; a thing has one time at most. */
export class Alarms<T> {
  readonly #ring: (what: T) => void;
  readonly #heap: Alarm<T>[] = [];
  readonly #current = new Map<T, Alarm<T>>();
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  constructor(ring: (what: T) => void) {
    this.#ring = ring;
  }

  /** Rings for `what` at this time of `performance.now()`, and no more at the one set before. */
  set(what: T, at: number): void {
    if (at === Number.POSITIVE_INFINITY) {
      this.delete(what);
      return;
    }
    const alarm = { at, what };
    this.#current.set(what, alarm);
    this.#push(alarm);
    if (this.#heap.length > 64 && this.#heap.length > 4 * this.#current.size) this.#rebuild();
    this.#arm();
  }

  delete(what: T): void {
    this.#current.delete(what);
    if (this.#current.size === 0) this.clear();
  }

  clear(): void {
    this.#current.clear();
    this.#heap.length = 0;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#timerAt = Number.POSITIVE_INFINITY;
  }

  #arm(): void {
    const at = this.#heap[0]?.at ?? Number.POSITIVE_INFINITY;
    if (at >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    const ms = Math.min(MAX_TIMER_MS, Math.max(0, Math.ceil(at - performance.now())));
    this.#timer = setTimeout(() => this.#due(), ms);
  }

  #due(): void {
    this.#timerAt = Number.POSITIVE_INFINITY;
    const now = performance.now();
    for (let next = this.#heap[0]; next !== undefined && next.at <= now; next = this.#heap[0]) {
      this.#pop();
      if (this.#current.get(next.what) !== next) continue;
      this.#current.delete(next.what);
      this.#ring(next.what);
    }
    if (this.#heap.length > 0) this.#arm();
  }

  #rebuild(): void {
    this.#heap.length = 0;
    for (const alarm of this.#current.values()) this.#push(alarm);
  }

  #push(alarm: Alarm<T>): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(alarm);
    while (index > 0) {
      const up = (index - 1) >> 1;
      const parent = heap[up] as Alarm<T>;
      if (parent.at <= alarm.at) break;
      heap[index] = parent;
      index = up;
    }
    heap[index] = alarm;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      let down = 2 * index + 1;
      if (down >= heap.length) break;
      if (down + 1 < heap.length && (heap[down + 1] as Alarm<T>).at < (heap[down] as Alarm<T>).at) down += 1;
      if ((heap[down] as Alarm<T>).at >= last.at) break;
      heap[index] = heap[down] as Alarm<T>;
      index = down;
    }
    heap[index] = last;
  }
}
