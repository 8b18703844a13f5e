/** Many deadlines behind one timer, which never keeps the process alive: what waits does that, see {@link KeepAlive}. */

import { MAX_TIMER_MS } from '../contract/validation.ts';
import { Heap, type HeapItem } from './heap.ts';

/** Milliseconds since a fixed moment, such as `performance.now()`. */
export type Clock = () => number;

/** Something that happens at a time; in one {@link DeadlineQueue} at most. */
export class Deadline implements HeapItem {
  slot = -1;
  /** When it fires, on the clock of its queue; Infinity when it is not set. */
  at: number = Number.POSITIVE_INFINITY;
  /** Deadlines of one time fire in the order in which they were set. */
  order = 0;
  readonly fire: () => void;

  constructor(fire: () => void) {
    this.fire = fire;
  }
}

/** How a {@link DeadlineQueue} works. */
export interface DeadlineQueueOptions {
  /** Default: `performance.now()`, which setting the wall clock does not move. */
  readonly clock?: Clock;
}

/** Fires deadlines in the order of their times. Setting and cancelling cost O(log n); 10,000 deadlines share one timer. */
export class DeadlineQueue {
  readonly #clock: Clock;
  readonly #heap = new Heap<Deadline>(
    (one, other) => one.at < other.at || (one.at === other.at && one.order < other.order),
  );
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #order = 0;
  /** How long the clock stood still so far, and when it stopped if it does now. */
  #stoodMs = 0;
  #stoppedAt: number | undefined;

  constructor({ clock = () => performance.now() }: DeadlineQueueOptions = {}) {
    this.#clock = clock;
  }

  get now(): number {
    return (this.#stoppedAt ?? this.#clock()) - this.#stoodMs;
  }

  get size(): number {
    return this.#heap.size;
  }

  /** Time from `now` until `deadline`, at least 0. */
  msLeft(deadline: Deadline, now: number = this.now): number {
    return Math.max(0, deadline.at - now);
  }

  /** Sets `deadline` to fire at `at` and forgets its earlier time. Infinity means never. */
  set(deadline: Deadline, at: number): void {
    this.#heap.remove(deadline);
    deadline.at = at;
    if (at === Number.POSITIVE_INFINITY) return;
    deadline.order = this.#order++;
    this.#heap.add(deadline);
    // The timer of an empty queue stays armed, since the next deadline often reuses it.
    if (at < this.#timerAt) this.#arm();
  }

  /** Sets `deadline` to fire in `ms`. */
  setIn(deadline: Deadline, ms: number): void {
    this.set(deadline, this.now + ms);
  }

  cancel(deadline: Deadline): void {
    this.set(deadline, Number.POSITIVE_INFINITY);
  }

  /** Fires what is due. A caller that decides by time calls it first, so that a late timer changes nothing. */
  runDue(): void {
    if (this.#stoppedAt !== undefined) return;
    for (let next = this.#heap.first; next !== undefined && next.at <= this.now; next = this.#heap.first) {
      this.#heap.remove(next);
      next.at = Number.POSITIVE_INFINITY;
      next.fire();
    }
  }

  /** Stops the clock: nothing is due until {@link DeadlineQueue.resume}, and every deadline then has the time left that it has now. */
  pause(): void {
    this.#stoppedAt ??= this.#clock();
    this.#disarm();
  }

  /** Starts the clock again. */
  resume(): void {
    if (this.#stoppedAt === undefined) return;
    this.#stoodMs += this.#clock() - this.#stoppedAt;
    this.#stoppedAt = undefined;
    this.#arm();
  }

  /** Forgets every deadline. */
  clear(): void {
    this.#heap.clear();
    this.#disarm();
  }

  #arm(): void {
    this.#disarm();
    const next = this.#heap.first;
    if (next === undefined || this.#stoppedAt !== undefined) return;
    this.#timerAt = next.at;
    const ms = Math.min(MAX_TIMER_MS, Math.max(1, Math.ceil(next.at - this.now)));
    this.#timer = setTimeout(() => this.#onTimer(), ms);
    if (globalThis.process !== undefined) this.#timer.unref?.();
  }

  #disarm(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#timerAt = Number.POSITIVE_INFINITY;
  }

  #onTimer(): void {
    this.#disarm();
    this.runDue();
    this.#arm();
  }
}
