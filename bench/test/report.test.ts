/** Tables: one for each circumstance, ratios, and what failed. */

import { expect, test } from 'vitest';
import { cost, merge, rate } from '../src/figures.ts';
import type { Measurement } from '../src/measurement.ts';
import { renderTables } from '../src/report/report.ts';

test('a table has the range of the runs and how many times better than the peer that is', () => {
  const answer = (subject: string, ms: number, perSecond: readonly number[]): Measurement => ({
    scenario: 'request',
    durability: 'process',
    target: subject,
    runs: [],
    figures: merge(perSecond.map((one) => [cost('p50', 'ms', ms), rate('asked', one, 1000)])),
  });
  const [, ...lines] = renderTables('request', 'process', [
    answer('unix', 0.1, [300, 100, 200]),
    answer('moleculer', 0.2, [100]),
  ]).split('\n');
  expect(lines).toEqual([
    '             p50 ms                     asked /s',
    '  unix       0.10 (0.10 to 0.10) 2.00×  200 (100 to 300) 2.00×  × moleculer',
    '  moleculer  0.20                       100',
  ]);
});

test('a scenario about scaling has a table for each target, with factors relative to its first condition', () => {
  const figures = [0, 50].flatMap((members) => [
    rate('enqueue', 100 - members, 1000, `${members} members`),
    cost('idle CPU of the members', '%', members / 100, `${members} members`),
  ]);
  const measurement = { scenario: 'members', durability: 'process', runs: [] } as const;
  const text = renderTables('members', 'process', [
    { ...measurement, target: 'unix', figures },
    { ...measurement, target: 'redis', figures: figures.slice(2) },
  ]);
  expect(text.split('\n').slice(1)).toEqual([
    '  unix        enqueue /s  idle CPU of the members %',
    '  0 members   100         0.00',
    '  50 members  50.0 0.50×  0.50',
    '  redis       enqueue /s  idle CPU of the members %',
    '  50 members  50.0        0.50',
  ]);
});

test('circumstances have tables of their own, failures a line', () => {
  const figures = [rate('enqueue', 1, 1000, '1 in flight'), rate('enqueue', 8, 1000, '8 in flight')];
  const text = renderTables('queue', 'process', [
    { scenario: 'queue', durability: 'process', target: 'raw', runs: [], figures },
    { scenario: 'queue', durability: 'process', target: 'redis', runs: [], figures: [], failure: 'it fell over' },
  ]);
  expect(text.split('\n').slice(1)).toEqual([
    '  1 in flight  enqueue /s',
    '  raw          1.00',
    '  8 in flight  enqueue /s',
    '  raw          8.00',
    '  redis failed: it fell over',
  ]);
});
