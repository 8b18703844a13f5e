/** Everything that shall happen at a time of the log. */

import { Heap, type Slotted } from './heap.ts';

/** When an alarm rings, as a snapshot keeps it: its time, and what tells alarms of one time apart. */
export type Setting = readonly [at: number, order: number];

/** Something that shall happen at a time; in one agenda at most. */
export class Alarm implements Slotted {
  slot = -1;
  at: number = Number.POSITIVE_INFINITY;
  /** Tells alarms of one time apart: they ring in the order in which they were set. */
  order = 0;
  readonly #act: (subject: never) => void;
  readonly #subject: unknown;

  /** `act` is called with `subject`: many alarms share one function. */
  constructor(act: () => void);
  constructor(act: (subject: never) => void, subject: unknown);
  constructor(act: (subject: never) => void, subject?: unknown) {
    this.#act = act;
    this.#subject = subject;
  }

  ring(): void {
    this.#act(this.#subject as never);
  }

  /** What a snapshot keeps of it; undefined where it is not set. */
  get setting(): Setting | undefined {
    return this.slot < 0 ? undefined : [this.at, this.order];
  }
}

/**
 * Alarms in the order of their times. Its clock is that of the log: it moves only by the times that the server gave to
 * records, so that every replica rings the same alarms between the same records.
 */
export class Agenda {
  /** Milliseconds since 1970, never falling. */
  now = 0;
  order = 0;
  /** What the server's clock is behind the log's since it was set back. */
  shift = 0;
  readonly #alarms = new Heap<Alarm>((a, b) => a.at < b.at || (a.at === b.at && a.order < b.order));
  #ahead: (() => number) | undefined;

  /** When the next alarm rings; Infinity for never. */
  get nextAt(): number {
    return this.#alarms.first?.at ?? Number.POSITIVE_INFINITY;
  }

  /** What time it probably is by now: for what is shown, never for what is decided. */
  get probably(): number {
    return Math.max(this.now, this.#ahead?.() ?? 0);
  }

  /** Takes `clock` for {@link probably}. */
  guessBy(clock: () => number): void {
    this.#ahead = clock;
  }

  /** What is left until `alarm` rings, as far as one can tell now. */
  leftMs(alarm: Alarm): number {
    return Math.max(0, alarm.at - this.probably);
  }

  /** Sets `alarm` to ring in `ms`, instead of when it was set to before; Infinity for never. */
  set(alarm: Alarm, ms: number): void {
    this.#alarms.remove(alarm);
    alarm.at = this.now + ms;
    alarm.order = this.order++;
    if (alarm.at !== Number.POSITIVE_INFINITY) this.#alarms.add(alarm);
  }

  /** Sets `alarm` as a snapshot says. */
  restore(alarm: Alarm, setting: Setting | undefined): void {
    this.#alarms.remove(alarm);
    if (setting === undefined) return;
    [alarm.at, alarm.order] = setting;
    this.#alarms.add(alarm);
  }

  cancel(alarm: Alarm): void {
    this.#alarms.remove(alarm);
    alarm.at = Number.POSITIVE_INFINITY;
  }

  /** Moves the clock to the time of a record, and rings what is due. A server clock that was set back stands still. */
  advance(stamp: number): void {
    const time = stamp + this.shift;
    if (time < this.now) this.shift += this.now - time;
    else this.now = time;
    for (let next = this.#alarms.first; next !== undefined && next.at <= this.now; next = this.#alarms.first) {
      this.#alarms.remove(next);
      next.ring();
    }
  }
}
