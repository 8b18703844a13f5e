/** Sequences as runs, beside sets of numbers. */

import { expect, test } from 'vitest';
import type { Lane } from '../src/connection/names.ts';
import { countOf, forEachOf, runsOf, SettledSet, subtract } from '../src/queues/runs.ts';

const LANE: Lane = 'normal';

test('runs hold what sets of numbers hold', () => {
  let seed = 7;
  const random = (): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return seed / 2 ** 31;
  };
  const pick = (share: number): number[] =>
    Array.from({ length: 60 }, (_, at) => at + 1).filter(() => random() < share);
  for (let round = 0; round < 300; round += 1) {
    const first = pick(0.6);
    const recent = pick(0.3).filter((seq) => !first.includes(seq));
    const set = new SettledSet(runsOf({ [LANE]: first })[LANE]);
    for (const seq of recent) set.recent.set(seq, seq * 10);
    const all = [...first, ...recent].toSorted((one, other) => one - other);
    expect(numbersOf(set.runs(0))).toEqual(all);
    expect(countOf(set.runs(0))).toBe(all.length);
    expect(numbersOf(set.runs(10, 40))).toEqual(all.filter((seq) => seq >= 10 && seq <= 40));
    for (let seq = 0; seq <= 61; seq += 1) {
      expect(set.get(seq)).toBe(recent.includes(seq) ? seq * 10 : first.includes(seq) ? 0 : undefined);
    }
    const gone = all.filter(() => random() < 0.5);
    const left = subtract(set.runs(20), runsOf({ [LANE]: gone })[LANE] ?? []);
    expect(numbersOf(left)).toEqual(all.filter((seq) => seq >= 20 && !gone.includes(seq)));
  }
});

function numbersOf(runs: readonly number[]): number[] {
  const all: number[] = [];
  forEachOf({ [LANE]: runs }, (_, seq) => all.push(seq));
  return all;
}
