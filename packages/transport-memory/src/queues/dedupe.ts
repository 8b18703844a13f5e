/** Remembers ids of stored messages for a time. */

import type { Clock } from '@busbar/api/driver';

/** Ids with a value each, kept for a time. */
export class DedupeWindow<T> {
  /** In order of insertion, which mostly is the order of expiry. */
  readonly #known = new Map<string, { readonly until: number; readonly value: T }>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The value of `id`; undefined when it is unknown or expired. */
  get(id: string): T | undefined {
    const known = this.#known.get(id);
    return known !== undefined && known.until > this.#clock() ? known.value : undefined;
  }

  remember(id: string, value: T, keepMs: number): void {
    const at = this.#clock();
    for (const [old, { until }] of this.#known) {
      if (until > at) break;
      this.#known.delete(old);
    }
    this.#known.delete(id);
    this.#known.set(id, { until: at + keepMs, value });
  }

  clear(): void {
    this.#known.clear();
  }

  /** The ids with the time left for each. */
  *entries(): Iterable<{ readonly id: string; readonly value: T; readonly leftMs: number }> {
    const at = this.#clock();
    for (const [id, { until, value }] of this.#known)
      if (until > at) yield { id, value, leftMs: toMicroseconds(until - at) };
  }
}

/** Milliseconds in whole microseconds: a difference of fractions is not exact, and an export is compared with its copy. */
function toMicroseconds(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
