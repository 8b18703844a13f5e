/** Times in buckets that grow by a fifth each: percentiles of many values in little space. */

const GROWTH = Math.log(1.2);
/** The first bucket ends here; what is faster counts as this. */
const FIRST_MS = 0.001;

/** How long things took. */
export interface Timing {
  readonly count: number;
  /** Half of them took at most this many milliseconds (exact to a fifth). */
  readonly p50: number;
  /** 99 of 100 took at most this many milliseconds (exact to a fifth). */
  readonly p99: number;
}

/** Counts times. */
export class Histogram {
  readonly #buckets: number[] = [];
  #count = 0;

  /** Counts one that took `ms`. */
  add(ms: number): void {
    const bucket = ms <= FIRST_MS ? 0 : Math.ceil(Math.log(ms / FIRST_MS) / GROWTH);
    while (this.#buckets.length <= bucket) this.#buckets.push(0);
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1;
    this.#count += 1;
  }

  get timing(): Timing {
    return { count: this.#count, p50: this.#below(0.5), p99: this.#below(0.99) };
  }

  /** The end of the bucket below which `part` of all values lie. */
  #below(part: number): number {
    let left = Math.ceil(this.#count * part);
    for (const [bucket, count] of this.#buckets.entries()) {
      left -= count;
      if (left <= 0) return Number((FIRST_MS * Math.exp(bucket * GROWTH)).toPrecision(3));
    }
    return 0;
  }
}

/** Times by type of request. The number of types is bounded: the rest counts as `*`. */
export class Timings {
  readonly #byType = new Map<string, Histogram>();

  add(type: string, ms: number): void {
    const name = this.#byType.has(type) || this.#byType.size < MAX_TYPES ? type : '*';
    let histogram = this.#byType.get(name);
    if (histogram === undefined) {
      histogram = new Histogram();
      this.#byType.set(name, histogram);
    }
    histogram.add(ms);
  }

  /** What was counted so far, by type. */
  toJSON(): Record<string, Timing> {
    return Object.fromEntries([...this.#byType].map(([type, histogram]) => [type, histogram.timing]));
  }
}

const MAX_TYPES = 100;
