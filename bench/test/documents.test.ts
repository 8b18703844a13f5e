/** The page, its pictures and its tables, from figures that are made up. */

import { readFileSync } from 'node:fs';
import { tempDir } from '@busbar/testbed';
import { expect, test } from 'vitest';
import { cost, rate } from '../src/figures.ts';
import type { Measurement } from '../src/measurement.ts';
import { type BenchOptions, parseOptions } from '../src/options.ts';
import { placeLabels } from '../src/plots/place-labels.ts';
import { makePlots } from '../src/plots/plots.ts';
import { brief, linear, logarithmic } from '../src/plots/scale.ts';
import { renderChoices } from '../src/report/choose.ts';
import { loadReports } from '../src/report/load.ts';
import { makeReport } from '../src/report/report.ts';
import { renderBars } from '../src/report/thresholds.ts';
import { fillSections, writeJson } from '../src/report/write-docs.ts';

const PAGE = new URL('../../docs/benchmarks.md', import.meta.url);
const of = (
  scenario: Measurement['scenario'],
  target: string,
  figures: Measurement['figures'],
  durability: Measurement['durability'] = 'process',
): Measurement => ({ scenario, target, durability, figures, runs: [] });
const tasks = (target: string, perSecond: number, durability?: Measurement['durability']): Measurement =>
  of(
    'queue',
    target,
    [rate('enqueue', perSecond, 1000, '64 in flight'), rate('consume+ack', 2 * perSecond, 1000, '64 in flight')],
    durability,
  );
const offered = (target: string, most: number): Measurement =>
  of('rate', target, [
    ...[250, 500, 1000].map((at) => cost('p99', 'ms', at > most ? 800 : 2, `${at} /s`)),
    rate('highest rate kept up with', most, 1000),
  ]);

const MEASURED: readonly Measurement[] = [
  ...[tasks('sqlite-bus', 40_000), tasks('sqlite-bus', 9_000, 'power'), tasks('plainjob', 20_000)],
  ...[tasks('redis-bus', 20_000), offered('sqlite-bus', 1000), offered('redis-bus', 500)],
  ...['sqlite', 'redis'].map((target) =>
    of(
      'members',
      target,
      [0, 50].map((count) => rate('consume+ack', 1000 - count, 1000, `${count} members`)),
    ),
  ),
  of('mailboxes', 'sqlite', [
    cost('agents above none', 'MB', 10, '100 mailboxes'),
    cost('server, all waiting', 'MB', Number.NaN, '100 mailboxes'),
  ]),
];

test('every picture is one SVG with axes, numbers and a description, for light and dark', () => {
  const plots = makePlots(MEASURED);
  expect(plots.map(({ name }) => name)).toEqual(['durability', 'rates', 'members', 'memory']);
  for (const { svg } of plots) {
    expect(svg.match(/<svg[^>]* role="img" aria-label="[^"]+">/g)).toHaveLength(1);
    expect(svg).toContain('prefers-color-scheme:dark');
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  }
  expect(plots[0]?.svg).toContain('>40k</text>');
  expect(plots[1]?.svg).toContain('>sqlite-bus 1k/s</text>');
  expect(plots[1]?.svg.match(/hollow"/g)).toHaveLength(1);
});

test('a picture whose figures were not measured is left out', () => {
  expect(makePlots([tasks('plainjob', 1)]).map(({ name }) => name)).toEqual(['durability']);
  expect(makePlots([])).toEqual([]);
});

test('names at the ends of lines do not overlap', () => {
  const end = (y: number) => ({ label: 'redis', end: { x: 100, y } });
  const places = placeLabels([end(50), end(52), end(49)], [], 300);
  const ys = places.map(({ y }) => y).sort((a, b) => a - b);
  expect(ys.slice(1).map((y, index) => y - (ys[index] ?? 0) >= 12)).toEqual([true, true]);
});

test('axes have round ticks', () => {
  expect(linear(54_000, [0, 100]).ticks).toEqual([0, 20_000, 40_000, 60_000]);
  expect(logarithmic(2.5, 800, [0, 100]).ticks).toEqual([1, 10, 100, 1000]);
  expect([0.25, 999.6, 12_345, 1_000_000].map(brief)).toEqual(['0.25', '1k', '12k', '1M']);
});

test('a bar has its ratios and says what is missed', () => {
  const rows = renderBars(MEASURED).split('\n');
  expect(rows[2]).toBe('| SQLite: enqueue, process | 2.00×, 2.00× plainjob | ≥ 2×, ≥ 4× | **1 of 2 missed** |');
  expect(rows.filter((row) => row.includes('not measured')).length).toBeGreaterThan(5);
});

test('backends are sorted by what is better', () => {
  expect(renderChoices(MEASURED).split('\n').slice(2)).toEqual([
    '| Tasks handled a second | sqlite 80,000/s | redis 40,000/s |',
    '| Highest offered rate that it keeps up with | sqlite 1,000/s | redis 500/s |',
  ]);
});

test('reports of several runs are one', async () => {
  await using folder = tempDir();
  const options = parseOptions([], []) as BenchOptions;
  const write = (name: string, measurements: readonly Measurement[]): string => {
    writeJson(folder.join(name), makeReport(options, measurements));
    return folder.join(name);
  };
  const files = [write('a', MEASURED), write('b', [tasks('plainjob', 7), tasks('raw', 8)])];
  const { measurements, command } = loadReports(files);
  expect(command).toContain('; npm run bench');
  expect(measurements.map(({ target }) => target)).toEqual([...MEASURED.map(({ target }) => target), 'raw']);
  expect(measurements[2]?.figures[0]?.values).toEqual([7]);
  expect(measurements.find(({ scenario }) => scenario === 'mailboxes')?.figures[1]?.values).toEqual([Number.NaN]);
});

test('a section is replaced, and a missing one is an error', () => {
  const page = 'a\n<!-- run:begin -->\nold\n<!-- run:end -->\nz';
  expect(fillSections(page, { run: 'new' })).toBe('a\n<!-- run:begin -->\n\nnew\n\n<!-- run:end -->\nz');
  expect(() => fillSections(page, { bars: '' })).toThrow('no section bars');
});

test('docs/benchmarks.md has less than 150 lines', () => {
  expect(readFileSync(PAGE, 'utf8').split('\n').length).toBeLessThan(150);
});
