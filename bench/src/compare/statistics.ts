/** Compares the figures of two trees with the spread that the old tree has against itself. */

import { type Figure, median } from '../figures.ts';

/** One figure of one run, with a name that is the same in both trees. */
export interface NamedFigure extends Omit<Figure, 'name' | 'at'> {
  readonly label: string;
}

/** The figures of one run of one tree. */
export type Run = readonly NamedFigure[];

/** `inside`: the change is no larger than the old tree's own. `missing`: one of the trees has no value. */
export type Verdict = 'inside' | 'better' | 'worse' | 'missing';

/** One figure of both trees. */
export interface Comparison {
  readonly label: string;
  readonly unit: string;
  /** Medians of the rounds; NaN without a value. */
  readonly current: number;
  readonly baseline: number;
  /** How many times better the current median is: above 1 is better, whichever way the figure counts. */
  readonly ratio: number;
  /** The smallest and the largest ratio between two runs of the old tree. */
  readonly spread: readonly [least: number, most: number];
  readonly verdict: Verdict;
}

/** Smaller values of a unit are noise of the measurement and count as this much. */
const RESOLUTION: Readonly<Record<string, number>> = { '%': 0.5, MB: 1, ms: 0.01, µs: 0.1 };

/** Compares each figure that at least one of the trees has, in the order of the first run that has it. */
export function compareRuns(current: readonly Run[], baseline: readonly Run[]): Comparison[] {
  const figures = new Map([...baseline, ...current].flat().map((figure) => [figure.label, figure]));
  return [...figures.values()].map((figure) => compareFigure(figure, current, baseline));
}

function compareFigure(figure: NamedFigure, current: readonly Run[], baseline: readonly Run[]): Comparison {
  const [now, before] = [current, baseline].map((runs) => valuesOf(figure, runs)) as [number[], number[]];
  const better = (one: number, other: number): number => {
    const floor = RESOLUTION[figure.unit] ?? 0;
    const quotient = Math.max(one, floor) / Math.max(other, floor);
    return figure.better === 'up' ? quotient : 1 / quotient;
  };
  const [worst, best] = extremes(before, figure);
  const spread = [better(worst, best), better(best, worst)] as const;
  const ratio = better(median(now), median(before));
  const verdict = toVerdict(ratio, spread);
  const { label, unit } = figure;
  return { label, unit, current: median(now), baseline: median(before), ratio, spread, verdict };
}

/** A run that failed has no value: the others count. */
function valuesOf({ label }: NamedFigure, runs: readonly Run[]): number[] {
  return runs.flatMap((run) => run.find((figure) => figure.label === label)?.values ?? []).filter(Number.isFinite);
}

function extremes(values: readonly number[], { better }: NamedFigure): [worst: number, best: number] {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return better === 'up' ? [least, most] : [most, least];
}

function toVerdict(ratio: number, [least, most]: readonly [number, number]): Verdict {
  if (!Number.isFinite(ratio) || !Number.isFinite(least)) return 'missing';
  if (ratio < least) return 'worse';
  return ratio > most ? 'better' : 'inside';
}
