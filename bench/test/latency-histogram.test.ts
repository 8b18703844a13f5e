/** Histograms: precision, merging, and the JSON of a report. */

import { expect, test } from 'vitest';
import { latency, merge } from '../src/figures.ts';
import { LatencyHistogram } from '../src/latency-histogram.ts';

const histogramOf = LatencyHistogram.ofMs;

test.each([0.001, 0.2, 0.255, 0.256, 3.7, 150, 12_345, 300_000])('%d ms is kept to within one percent', (ms) => {
  const value = histogramOf([ms]).percentileMs(0.5);
  expect(Math.abs(value - ms) / ms).toBeLessThan(0.01);
});

test('percentiles are by nearest rank', () => {
  const histogram = histogramOf(Array.from({ length: 100 }, (_, index) => (index + 1) / 10));
  expect([0.5, 0.99, 1].map((share) => Number(histogram.percentileMs(share).toFixed(1)))).toEqual([5, 9.9, 10]);
  expect(histogramOf([]).percentileMs(0.5)).toBeNaN();
});

test('histograms add up, also through JSON', () => {
  const [one, other] = [histogramOf([1, 2, 3, 700]), histogramOf([2, 0.01])];
  const read = JSON.parse(JSON.stringify([one, other]));
  const sum = LatencyHistogram.of(...read);
  expect(sum.toJSON()).toEqual(histogramOf([1, 2, 3, 700, 2, 0.01]).toJSON());
  expect(sum.count).toBe(6);
});

test('figures of several runs have one histogram, and conditions that only some runs have', () => {
  const p99 = (ms: number, at: string) => ({ ...latency('p99', [ms], 0.99), at });
  const merged = merge([[p99(1, '250 /s'), p99(2, '500 /s')], [p99(3, '250 /s')]]);
  expect(merged.map(({ at, values }) => [at, values])).toEqual([
    ['250 /s', [1, 3]],
    ['500 /s', [2]],
  ]);
  expect(merged[0]?.histogram).toEqual(histogramOf([1, 3]).toJSON());
});
