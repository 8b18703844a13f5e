/**
 * Counts latencies in the buckets of an HDR histogram: linear within each power of two, so that every value is kept to within
 * one percent. Histograms of several processes and runs add up without loss.
 */

/** A histogram in the JSON of a report. */
export interface HistogramJson {
  readonly unit: 'µs';
  /** The lower ends of the buckets that have values, rising. */
  readonly from: readonly number[];
  /** How many values each of them has. */
  readonly counts: readonly number[];
}

/** Buckets of each power of two. */
const SUB = 128;

export class LatencyHistogram {
  readonly #counts = new Map<number, number>();
  #total = 0;

  static of(...histograms: readonly HistogramJson[]): LatencyHistogram {
    const sum = new LatencyHistogram();
    for (const { from, counts } of histograms)
      for (const [at, value] of from.entries()) sum.#add(bucketOf(value), counts[at] ?? 0);
    return sum;
  }

  /** The latencies of one run, in milliseconds. */
  static ofMs(times: readonly number[]): LatencyHistogram {
    const histogram = new LatencyHistogram();
    for (const time of times) histogram.recordMs(time);
    return histogram;
  }

  get count(): number {
    return this.#total;
  }

  recordMs(ms: number): void {
    this.#add(bucketOf(Math.max(0, Math.round(ms * 1000))), 1);
  }

  /** The value in milliseconds that a share of the values does not exceed; NaN without values. */
  percentileMs(share: number): number {
    let left = Math.max(1, Math.ceil(this.#total * share));
    for (const [bucket, count] of this.#sorted()) {
      left -= count;
      if (left <= 0) return (startOf(bucket) + startOf(bucket + 1) - 1) / 2 / 1000;
    }
    return Number.NaN;
  }

  toJSON(): HistogramJson {
    const sorted = this.#sorted();
    return { unit: 'µs', from: sorted.map(([bucket]) => startOf(bucket)), counts: sorted.map(([, count]) => count) };
  }

  #add(bucket: number, count: number): void {
    this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + count);
    this.#total += count;
  }

  #sorted(): [bucket: number, count: number][] {
    return [...this.#counts].sort(([a], [b]) => a - b);
  }
}

/** Exact up to 255; above it, 128 buckets for each power of two. */
function bucketOf(value: number): number {
  if (value < 2 * SUB) return value;
  const exponent = Math.floor(Math.log2(value / SUB));
  return exponent * SUB + Math.floor(value / 2 ** exponent);
}

function startOf(bucket: number): number {
  if (bucket < 2 * SUB) return bucket;
  const exponent = Math.floor(bucket / SUB) - 1;
  return (bucket - exponent * SUB) * 2 ** exponent;
}
