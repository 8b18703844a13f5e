/** Everything that shall happen at a time, behind one timer. */

import { MAX_TIMER_MS } from '@busbar/api/transport';
import { Heap, type Slotted } from './heap.ts';

/** The clock of the store: setting the wall clock does not move it. */
export function now(): number {
  return performance.now();
}

/** Something that shall happen at a time; in one agenda at most. */
export class Alarm implements Slotted {
  slot = -1;
  at: number = Number.POSITIVE_INFINITY;
  /** Tells alarms of one time apart: they ring in the order in which they were set. */
  order = 0;
  readonly ring: () => void;

  constructor(ring: () => void) {
    this.ring = ring;
  }

  get leftMs(): number {
    return Math.max(0, this.at - now());
  }
}

/** Alarms in the order of their times. It keeps the process alive only while somebody waits. */
export class Agenda {
  readonly #alarms = new Heap<Alarm>((a, b) => a.at < b.at || (a.at === b.at && a.order < b.order));
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #order = 0;
  #waiting = 0;

  /** Sets `alarm` to ring in `ms`, instead of when it was set to before; Infinity for never. */
  set(alarm: Alarm, ms: number): void {
    this.#alarms.remove(alarm);
    alarm.at = now() + ms;
    alarm.order = this.#order++;
    if (ms === Number.POSITIVE_INFINITY) return;
    this.#alarms.add(alarm);
    if (alarm.at < this.#timerAt) this.#arm();
  }

  cancel(alarm: Alarm): void {
    this.#alarms.remove(alarm);
  }

  /** Rings what is due. Called before anything is decided, so that nothing depends on how late the timer is. */
  ringDue(): void {
    for (let next = this.#alarms.first; next !== undefined && next.at <= now(); next = this.#alarms.first) {
      this.#alarms.remove(next);
      next.ring();
    }
  }

  /** One more (or, negative, less) waits for what may come. */
  wait(by: 1 | -1): void {
    this.#waiting += by;
    if (this.#waiting > 0) this.#timer?.ref();
    else this.#timer?.unref();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timerAt = Number.POSITIVE_INFINITY;
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const next = this.#alarms.first;
    this.#timerAt = next?.at ?? Number.POSITIVE_INFINITY;
    if (next === undefined) return;
    const ms = Math.min(MAX_TIMER_MS, Math.max(1, Math.ceil(next.at - now())));
    this.#timer = setTimeout(() => {
      this.ringDue();
      this.#arm();
    }, ms);
    if (this.#waiting === 0) this.#timer.unref();
  }
}
