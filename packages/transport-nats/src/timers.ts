/** What this process waits for, behind one timer, on a clock that nobody sets. */

import { MAX_TIMER_MS } from '@busbar/api/transport';
import { Alarm } from './state/agenda.ts';
import { Heap } from './state/heap.ts';

/** Alarms in the order of their times. */
export class Timers {
  readonly #alarms = new Heap<Alarm>((a, b) => a.at < b.at);
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #isClosed = false;

  /** An alarm that calls `ring`; {@link set} sets when. */
  alarm(ring: () => void): Alarm {
    return new Alarm(ring);
  }

  /** Sets `alarm` to ring in `ms`, instead of when it was set to before; Infinity for never. */
  set(alarm: Alarm, ms: number): void {
    this.#alarms.remove(alarm);
    alarm.at = performance.now() + ms;
    if (ms === Number.POSITIVE_INFINITY || this.#isClosed) return;
    this.#alarms.add(alarm);
    if (alarm.at < this.#timerAt) this.#arm();
  }

  cancel(alarm: Alarm): void {
    this.#alarms.remove(alarm);
  }

  /** Nothing rings any more. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    for (let first = this.#alarms.first; first !== undefined; first = this.#alarms.first) this.#alarms.remove(first);
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const next = this.#alarms.first;
    this.#timerAt = next?.at ?? Number.POSITIVE_INFINITY;
    if (next === undefined) return;
    const ms = Math.min(MAX_TIMER_MS, Math.max(1, Math.ceil(next.at - performance.now())));
    this.#timer = setTimeout(() => {
      this.#ring();
      this.#arm();
    }, ms);
  }

  #ring(): void {
    const now = performance.now();
    for (let next = this.#alarms.first; next !== undefined && next.at <= now; next = this.#alarms.first) {
      this.#alarms.remove(next);
      next.ring();
    }
  }
}
