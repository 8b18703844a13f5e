/** Writes the time into the log when something is due and nobody writes anything else. */

import type { Replica } from './replica.ts';
import type { Alarm } from './state/agenda.ts';
import type { Timers } from './timers.ts';

/** Of several who wait for the same moment mostly one writes. */
const SPREAD_MS = 3;
/** Where nobody here waits for it another may be first. */
const LEISURE_MS = 300;

/** The ticker of one transport. */
export class Ticker {
  readonly #replica: Replica;
  readonly #timers: Timers;
  readonly #alarm: Alarm;
  readonly #isAwaited: () => boolean;
  #aimsAt = Number.POSITIVE_INFINITY;
  #isTicking = false;

  /** `isAwaited`: whether anybody in this process waits for what may happen by time alone. */
  constructor(replica: Replica, timers: Timers, isAwaited: () => boolean) {
    this.#replica = replica;
    this.#timers = timers;
    this.#isAwaited = isAwaited;
    this.#alarm = timers.alarm(() => this.#tick());
    const aim = (): void => this.aim();
    replica.observe({ ready: () => undefined, used: () => undefined, moved: aim, reloaded: aim });
  }

  /** Looks at what is due next. */
  aim(): void {
    const { nextAt, probably } = this.#replica.state.agenda;
    if (this.#isTicking || nextAt === this.#aimsAt) return;
    this.#aimsAt = nextAt;
    const spread = Math.random() * SPREAD_MS + (this.#isAwaited() ? 0 : LEISURE_MS * (1 + Math.random()));
    this.#timers.set(this.#alarm, Math.max(0, nextAt - probably) + spread);
  }

  /** Somebody waits now who did not before. */
  hurry(): void {
    this.#aimsAt = Number.NaN;
    this.aim();
  }

  #tick(): void {
    this.#aimsAt = Number.NaN;
    const { nextAt, probably } = this.#replica.state.agenda;
    if (nextAt > probably) {
      this.aim();
      return;
    }
    this.#isTicking = true;
    const done = (): void => {
      this.#isTicking = false;
      this.aim();
    };
    this.#replica.ask({ op: 'tick' }).then(done, () => undefined); // Only closing ends it.
  }
}
