/** Bars: held honestly, and silent about what was not measured. */

import { expect, test } from 'vitest';
import { cost, rate } from '../src/figures.ts';
import type { Answer } from '../src/measurement.ts';
import { holdBars } from '../src/report/thresholds.ts';

const queue = (subject: string, perSecond: number): Answer => ({
  scenario: 'queue',
  durability: 'process',
  subject,
  figures: [rate('enqueue', perSecond, 1000, '64 in flight')],
});

test('a figure is held against that of its peer', () => {
  expect(holdBars([queue('redis', 20_000), queue('bullmq', 10_000)])).toEqual([
    ['redis queue enqueue 64 in flight', '2.00× bullmq', '≥ 2×', 'met'],
  ]);
  expect(holdBars([queue('redis', 19_000), queue('bullmq', 10_000)])[0]).toContain('NOT MET');
});

test('less is better where it is a cost', () => {
  const answer = (p50: number): Answer => ({
    scenario: 'wake',
    durability: 'process',
    subject: 'sqlite',
    figures: [cost('p50', 'ms', p50)],
  });
  expect(holdBars([answer(0.5)])).toEqual([['sqlite wake p50', '0.50 ms', '≤ 0.5', 'met']]);
  expect(holdBars([answer(0.51)])[0]).toContain('NOT MET');
  expect(holdBars([answer(Number.NaN)])[0]).toContain('NOT MET');
});

test('what was not measured has no bar', () => {
  expect(holdBars([queue('redis', 1), { ...queue('bullmq', 1), figures: [], failure: 'it fell over' }])).toEqual([]);
});
