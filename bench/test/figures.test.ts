/** Medians, percentiles, merging. */

import { expect, test } from 'vitest';
import {
  cost,
  type Figure,
  median,
  merge,
  percentile,
  rate,
  ratio,
  show,
  tailLatency,
  typical,
} from '../src/figures.ts';

test('percentiles are by nearest rank', () => {
  const values = [5, 1, 4, 2, 3];
  expect([median(values), percentile(values, 0.99), percentile(values, 0), percentile([], 0.5)]).toEqual([
    3,
    5,
    1,
    Number.NaN,
  ]);
});

test('the median of an even number of values is the mean of the middle two', () => {
  expect([median([4, 1, 3, 2]), median([1, 2]), median([7]), median([])]).toEqual([2.5, 1.5, 7, Number.NaN]);
});

test('a tail is that of all latencies, not the median of the tails of runs', () => {
  const run = (slow: number) => [tailLatency('p99', [...Array.from({ length: 99 }, () => 1), slow, slow], 0.99)];
  const [p99] = merge([run(1), run(1), run(100)]) as [Figure];
  expect([p99.values, typical({ ...p99, share: 0.993 })]).toEqual([[1, 1, 100], expect.closeTo(1, 1)]);
  expect(typical({ ...p99, share: 0.995 })).toBeCloseTo(100, 0);
  expect(typical({ name: 'p50', unit: 'ms', better: 'down', values: [1, 2, 3] })).toBe(2);
});

test('runs are put together by name', () => {
  const run = (value: number): Figure[] => [{ name: 'p50', unit: 'ms', better: 'down', values: [value] }];
  expect(merge([run(1), run(2)])).toEqual([{ name: 'p50', unit: 'ms', better: 'down', values: [1, 2] }]);
});

test('a ratio above 1 is better, whichever way that is', () => {
  expect(ratio(cost('p50', 'ms', 1), cost('p50', 'ms', 2))).toBe(2);
  expect(ratio(rate('sent', 100, 1000), rate('sent', 200, 1000))).toBe(0.5);
});

test('numbers are shown for people', () => {
  expect([12_345.6, 12.34, 0.1234, Number.NaN].map(show)).toEqual(['12,346', '12.3', '0.12', '-']);
});
