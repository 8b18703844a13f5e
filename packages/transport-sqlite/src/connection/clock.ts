/** Store time: milliseconds that rise at the same pace in every process and that setting the wall clock does not move. */

import { readFileSync } from 'node:fs';

/** A clock. Whole milliseconds. */
export interface Clock {
  now(): number;
  /** Whether setting the wall clock leaves it alone. */
  readonly isMonotonic: boolean;
}

/**
 * CLOCK_MONOTONIC, which all processes of one boot share, plus an offset that the store keeps for that boot. The offset
 * makes store time look like wall time when the first process of a boot opens the store.
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

/** For machines that do not tell their boots apart: the wall clock, held still while it goes back. */
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

/** What tells this boot of the machine from every other, or undefined where there is no such thing. */
export function bootId(): string | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim() || undefined;
  } catch {
    return undefined;
  }
}

/** The offset with which a clock of this boot reads `time` now. */
export function offsetFor(time: number): number {
  return time - (monotonicBase() + performance.now());
}

/** What CLOCK_MONOTONIC read when `performance.now()` was 0. */
function monotonicBase(): number {
  return Number(process.hrtime.bigint()) / 1e6 - performance.now();
}
