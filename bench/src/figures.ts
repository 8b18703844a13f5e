/** Figures: what was measured, several times, and its middle. */

/** One figure of one subject. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  /** `up`: more is better. */
  readonly better: 'up' | 'down';
  readonly values: readonly number[];
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

/** Puts the figures of several runs together. */
export function merge(runs: readonly (readonly Figure[])[]): Figure[] {
  const [first = []] = runs;
  return first.map((figure) => ({
    ...figure,
    values: runs.flatMap((run) => run.find(({ name }) => name === figure.name)?.values ?? []),
  }));
}

/** A number as a person reads it. */
export function show(value: number): string {
  if (Number.isNaN(value)) return '-';
  if (value >= 100) return Math.round(value).toLocaleString('en-US');
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
