/** Counts the messages that arrive in one process. */

import type { Body } from '../client.ts';
import type { Tally } from '../tally.ts';

/** The messages to expect. */
export interface Expectation {
  /** How many of each source, numbered `first`, `first + stride` and so on. */
  readonly count: number;
  readonly first?: number;
  readonly stride?: number;
  /** Subscribers that get each of them. Default 1. */
  readonly sources?: number;
  /** They come in the order of their numbers. */
  readonly ordered?: boolean;
}

/** A run in which nothing arrives for so long has lost the rest. */
const STALL_MS = 30_000;
const CHECK_MS = 1_000;

/** Counts each number once for each source. */
export class Arrivals {
  readonly #first: number;
  readonly #stride: number;
  readonly #count: number;
  readonly #ordered: boolean;
  readonly #seen: Uint8Array;
  /** How many have come for each source. */
  readonly #progress: Uint32Array;
  readonly #complete = Promise.withResolvers<void>();
  #mark: { readonly count: number; resolve(): void } | undefined;
  #left: number;
  #arrived = 0;
  #withdrawn = 0;
  #doubled = 0;
  #reordered = 0;
  #last = -1;

  constructor({ count, first = 0, stride = 1, sources = 1, ordered = false }: Expectation) {
    this.#first = first;
    this.#stride = stride;
    this.#count = count;
    this.#ordered = ordered;
    this.#left = count * sources;
    this.#seen = new Uint8Array(this.#left);
    this.#progress = new Uint32Array(sources);
    if (this.#left === 0) this.#complete.resolve();
  }

  take({ index }: Body, source = 0): void {
    const at = source * this.#count + (index - this.#first) / this.#stride;
    this.#arrived += 1;
    // A number that was not expected at all is a leftover of an earlier message.
    if (this.#seen[at] === 0) this.#left -= 1;
    else this.#doubled += 1;
    this.#seen[at] = 1;
    if (this.#ordered && index < this.#last) this.#reordered += 1;
    this.#last = index;
    if (this.#left === 0) this.#complete.resolve();
    const progress = (this.#progress[source] ?? 0) + 1;
    this.#progress[source] = progress;
    if (progress === this.#mark?.count) this.#check();
  }

  /** Resolves when each source has `count`, or as {@link Arrivals.settled} does. One call at a time. */
  async reached(count: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#mark = { count, resolve };
    this.#check();
    await Promise.race([promise, this.#complete.promise]);
  }

  /** Expects fewer: the last numbers were not sent. */
  withdraw(count: number): void {
    this.#left -= count;
    this.#withdrawn += count;
    if (this.#left === 0) this.#complete.resolve();
  }

  /** Resolves when all have arrived, or when none has arrived for a long time. */
  async settled(): Promise<void> {
    let before = this.#arrived;
    let sinceMs = 0;
    const timer = setInterval(() => {
      sinceMs = before === this.#arrived ? sinceMs + CHECK_MS : 0;
      before = this.#arrived;
      if (sinceMs >= STALL_MS) this.#complete.resolve();
    }, CHECK_MS);
    await this.#complete.promise;
    clearInterval(timer);
  }

  #check(): void {
    const { count = 0, resolve } = this.#mark ?? {};
    if (this.#progress.every((progress) => progress >= count)) resolve?.();
  }

  get tally(): Tally {
    const expected = this.#seen.length - this.#withdrawn;
    return { expected, lost: this.#left, doubled: this.#doubled, reordered: this.#reordered };
  }
}
