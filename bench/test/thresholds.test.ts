/** Thresholds: checked, and left out without a measurement. */

import { expect, test } from 'vitest';
import { cost, rate } from '../src/figures.ts';
import type { Measurement } from '../src/measurement.ts';
import { checkThresholds } from '../src/report/thresholds.ts';

const queue = (subject: string, perSecond: number): Measurement => ({
  scenario: 'queue',
  durability: 'process',
  target: subject,
  runs: [],
  figures: [rate('enqueue', perSecond, 1000, '64 in flight')],
});

test('a figure is compared with that of its peer', () => {
  expect(checkThresholds([queue('redis-bus', 25_000), queue('bullmq', 10_000)])).toEqual([
    ['redis-bus queue enqueue 64 in flight', '2.50× bullmq', '≥ 2.5×', 'met'],
  ]);
  expect(checkThresholds([queue('redis-bus', 24_000), queue('bullmq', 10_000)])[0]).toContain('NOT MET');
});

test('less is better for a cost', () => {
  const answer = (p50: number): Measurement => ({
    scenario: 'wake',
    durability: 'process',
    target: 'sqlite',
    runs: [],
    figures: [cost('p50', 'ms', p50)],
  });
  expect(checkThresholds([answer(0.5)])).toEqual([['sqlite wake p50', '0.50 ms', '≤ 0.5', 'met']]);
  expect(checkThresholds([answer(0.51)])[0]).toContain('NOT MET');
  expect(checkThresholds([answer(Number.NaN)])[0]).toContain('NOT MET');
});

test('a missing measurement has no threshold', () => {
  expect(
    checkThresholds([queue('redis-bus', 1), { ...queue('bullmq', 1), figures: [], failure: 'it fell over' }]),
  ).toEqual([]);
});
