/** Store time: milliseconds that rise equally in all processes and do not depend on changes of the wall clock. */

import { readFileSync } from 'node:fs';

/** A clock of whole milliseconds. */
export interface Clock {
  now(): number;
  /** Whether the clock is independent of changes of the wall clock. */
  readonly isMonotonic: boolean;
}

/**
 * CLOCK_MONOTONIC, which all processes of one boot share, plus an offset stored for that boot. When the first process of a
 * boot opens the store, the offset makes store time equal to wall time.
 */
export class BootClock implements Clock {
  readonly isMonotonic = true;
  readonly #base: number;

  constructor(offset: number) {
    this.#base = monotonicBase() + offset;
  }

  now(): number {
    return Math.floor(this.#base + performance.now());
  }
}

/** For systems without a boot id: the wall clock, which stands still while the wall clock goes back. */
export class WallClock implements Clock {
  readonly isMonotonic = false;
  #last: number;

  constructor(last: number) {
    this.#last = last;
  }

  now(): number {
    this.#last = Math.max(this.#last, Date.now());
    return this.#last;
  }
}

/** The id of this boot of the machine, or undefined if the system has none. */
export function bootId(): string | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim() || undefined;
  } catch {
    return undefined;
  }
}

/** The offset with which a clock of this boot shows `time` now. */
export function offsetFor(time: number): number {
  return time - (monotonicBase() + performance.now());
}

/** CLOCK_MONOTONIC at the time when `performance.now()` was 0. */
function monotonicBase(): number {
  return Number(process.hrtime.bigint()) / 1e6 - performance.now();
}
