/** Figures: what was measured, several times, and its middle. */

/** One figure of one subject. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  /** `up`: more is better. */
  readonly better: 'up' | 'down';
  readonly values: readonly number[];
  /** Under which circumstances, such as `64 in flight`, where a scenario has several. */
  readonly at?: string;
}

/** So many things a second. */
export function rate(name: string, count: number, ms: number, at?: string): Figure {
  return { name, unit: '/s', better: 'up', values: [(count / ms) * 1000], ...(at !== undefined && { at }) };
}

/** Something of which less is better. */
export function cost(name: string, unit: 'ms' | 'MB' | '%' | 'µs', value: number, at?: string): Figure {
  return { name, unit, better: 'down', values: [value], ...(at !== undefined && { at }) };
}

/** How long `work` takes, in milliseconds. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/** The middle of `values`. */
export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** The value that a share of `values` does not exceed, by nearest rank. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

/** Finds the figure of that name and circumstances. */
export function find(figures: readonly Figure[], { name, at }: Pick<Figure, 'name' | 'at'>): Figure | undefined {
  return figures.find((figure) => figure.name === name && figure.at === at);
}

/** Puts the figures of several runs together. */
export function merge(runs: readonly (readonly Figure[])[]): Figure[] {
  const [first = []] = runs;
  return first.map((figure) => ({ ...figure, values: runs.flatMap((run) => find(run, figure)?.values ?? []) }));
}

/** How many times better `figure` is than `other`: above 1 whichever way is better. */
export function ratio(figure: Figure, other: Figure): number {
  const quotient = median(figure.values) / median(other.values);
  return figure.better === 'up' ? quotient : 1 / quotient;
}

/** A number as a person reads it. */
export function show(value: number): string {
  if (Number.isNaN(value)) return '-';
  if (value >= 100) return Math.round(value).toLocaleString('en-US');
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
