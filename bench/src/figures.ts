/** Figures: measured values and their medians. */

import { type HistogramJson, LatencyHistogram } from './latency-histogram.ts';

/** One figure of one target. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  /** `up`: more is better. */
  readonly better: 'up' | 'down';
  readonly values: readonly number[];
  /** The condition, such as `64 in flight`, in a scenario with several. */
  readonly at?: string;
  /** All latencies of all runs and processes, for a figure that is one of their percentiles. */
  readonly histogram?: HistogramJson;
  /** The share of the histogram that is shown, where the median of the runs would hide the tail. */
  readonly share?: number;
}

/** A rate per second; more is better. */
export function rate(name: string, count: number, ms: number, at?: string): Figure {
  return { name, unit: '/s', better: 'up', values: [(count / ms) * 1000], ...(at !== undefined && { at }) };
}

/** A cost; less is better. */
export function cost(name: string, unit: 'ms' | 'MB' | '%' | 'µs', value: number, at?: string): Figure {
  return { name, unit, better: 'down', values: [value], ...(at !== undefined && { at }) };
}

/** A percentile of latencies in milliseconds, with the histogram of all of them. */
export function latency(name: string, times: readonly number[], share: number): Figure {
  return { ...cost(name, 'ms', percentile(times, share)), histogram: LatencyHistogram.ofMs(times).toJSON() };
}

/** A high percentile: that of all latencies of all runs together. */
export function tailLatency(name: string, times: readonly number[], share: number): Figure {
  return { ...latency(name, times, share), share };
}

/** Measures `work` in milliseconds. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/** The median of `values`; of an even number, the mean of the middle two. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.slice(Math.ceil(sorted.length / 2) - 1, Math.floor(sorted.length / 2) + 1);
  return middle.reduce((sum, value) => sum + value, 0) / middle.length;
}

/** The value that stands for all runs: their median, or the percentile of all their latencies. */
export function typical({ values, histogram, share }: Figure): number {
  if (share === undefined || histogram === undefined) return median(values);
  return LatencyHistogram.of(histogram).percentileMs(share);
}

/** The value that a share of `values` does not exceed, by nearest rank. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

/** Finds a figure by name and condition. */
export function find(figures: readonly Figure[], { name, at }: Pick<Figure, 'name' | 'at'>): Figure | undefined {
  return figures.find((figure) => figure.name === name && figure.at === at);
}

/** Merges the figures of several runs. A run may have conditions that others lack. */
export function merge(runs: readonly (readonly Figure[])[]): Figure[] {
  const all = runs.flat();
  const distinct = all.filter((figure, index) => all.findIndex((other) => isSame(figure, other)) === index);
  return distinct.map((figure) => {
    const same = all.filter((other) => isSame(figure, other));
    const histograms = same.flatMap(({ histogram }) => histogram ?? []);
    return {
      ...figure,
      values: same.flatMap(({ values }) => values),
      ...(histograms.length > 0 && { histogram: LatencyHistogram.of(...histograms).toJSON() }),
    };
  });
}

function isSame(one: Figure, other: Figure): boolean {
  return one.name === other.name && one.at === other.at;
}

/** How many times better `figure` is than `other`: above 1 whichever way is better. */
export function ratio(figure: Figure, other: Figure): number {
  const quotient = typical(figure) / typical(other);
  return figure.better === 'up' ? quotient : 1 / quotient;
}

/** Formats a number for people. */
export function show(value: number): string {
  if (Number.isNaN(value)) return '-';
  if (value >= 100) return Math.round(value).toLocaleString('en-US');
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
