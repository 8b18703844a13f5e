/** Percentiles of durations, from buckets that grow by a fifth each. */

const GROWTH = Math.log(1.2);
/** The end of the first bucket. */
const FIRST_MS = 0.001;

/** Percentiles of durations. */
export interface Timing {
  readonly count: number;
  /** The median in milliseconds, within a fifth. */
  readonly p50: number;
  /** The 99th percentile in milliseconds, within a fifth. */
  readonly p99: number;
}

/** Both together: `p50` weighted by count, `p99` the highest. */
export function mergeTiming(one: Timing | undefined, other: Timing): Timing {
  if (one === undefined) return other;
  const count = one.count + other.count;
  const p50 = count === 0 ? 0 : (one.p50 * one.count + other.p50 * other.count) / count;
  return { count, p50, p99: Math.max(one.p99, other.p99) };
}

/** Counts durations. */
export class Histogram {
  readonly #buckets: number[] = [];
  #count = 0;

  add(ms: number): void {
    const bucket = ms <= FIRST_MS ? 0 : Math.ceil(Math.log(ms / FIRST_MS) / GROWTH);
    while (this.#buckets.length <= bucket) this.#buckets.push(0);
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1;
    this.#count += 1;
  }

  get timing(): Timing {
    return { count: this.#count, p50: this.#below(0.5), p99: this.#below(0.99) };
  }

  /** The end of the bucket at quantile `part`. */
  #below(part: number): number {
    let left = Math.ceil(this.#count * part);
    for (const [bucket, count] of this.#buckets.entries()) {
      left -= count;
      if (left <= 0) return Number((FIRST_MS * Math.exp(bucket * GROWTH)).toPrecision(3));
    }
    return 0;
  }
}

/** Durations by type. Types beyond the limit count as `*`. */
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

  /** The percentiles by type. */
  toJSON(): Record<string, Timing> {
    return Object.fromEntries([...this.#byType].map(([type, histogram]) => [type, histogram.timing]));
  }
}

const MAX_TYPES = 100;
