/** Comparing two trees: ratios, spreads, verdicts, and the JSON of either tree. */

import { runNode } from '@busbar/testbed';
import { describe, expect, test } from 'vitest';
import { readFigures } from '../src/compare/bench-run.ts';
import { parseCompareOptions } from '../src/compare/options.ts';
import { compareRuns, type NamedFigure, type Run } from '../src/compare/statistics.ts';
import { UsageError } from '../src/options.ts';

const runs = (figure: Pick<NamedFigure, 'unit' | 'better'>, values: readonly number[]): Run[] =>
  values.map((value) => [{ label: 'x', ...figure, values: [value] }]);
const RATE = { unit: '/s', better: 'up' } as const;
const COST = { unit: 'ms', better: 'down' } as const;

describe('a figure', () => {
  test('is inside when its ratio is one that two old runs have to each other', () => {
    const old = runs(RATE, [100, 110, 90, 105, 95]);
    expect(compareRuns(runs(RATE, [82, 83, 84, 85, 86]), old)).toEqual([
      {
        ...{ label: 'x', unit: '/s', current: 84, baseline: 100, ratio: 0.84 },
        ...{ spread: [90 / 110, 110 / 90], verdict: 'inside' },
      },
    ]);
  });

  test.each([
    [RATE, [80, 80, 80], 'worse'],
    [RATE, [130, 130, 130], 'better'],
    [COST, [130, 130, 130], 'worse'],
    [COST, [80, 80, 80], 'better'],
    [COST, [Number.NaN], 'missing'],
  ])('of kind %j with %j is %s', (figure, values, verdict) => {
    const [comparison] = compareRuns(runs(figure, values), runs(figure, [100, 110, 90, 105, 95]));
    expect(comparison?.verdict).toBe(verdict);
  });

  test('is missing where one tree lacks it, and its failed runs do not count', () => {
    const old = runs(RATE, [100, Number.NaN, 100]);
    expect(compareRuns([], old)[0]?.verdict).toBe('missing');
    expect(compareRuns(runs(RATE, [100]), [...old, []])[0]).toMatchObject({ baseline: 100, verdict: 'inside' });
    expect(compareRuns(runs(RATE, [100]), [])[0]?.verdict).toBe('missing');
  });

  test('below the resolution of its unit is noise', () => {
    const percent = { unit: '%', better: 'down' } as const;
    const compare = (now: number) => compareRuns(runs(percent, [now]), runs(percent, [0, 0, 0.1]))[0]?.verdict;
    expect([compare(0.4), compare(2)]).toEqual(['inside', 'worse']);
  });
});

test('the JSON of old and new trees has the same labels', () => {
  const figures = [{ name: 'enqueue', at: '64 in flight', unit: '/s', better: 'up', values: [1, null] }];
  const common = { scenario: 'queue', durability: 'process', figures };
  const old = readFigures(JSON.stringify({ answers: [{ ...common, subject: 'sqlite' }] }));
  expect(readFigures(JSON.stringify({ measurements: [{ ...common, target: 'sqlite' }] }))).toEqual(old);
  expect(old).toEqual([
    { label: 'sqlite queue process enqueue 64 in flight', unit: '/s', better: 'up', values: [1, Number.NaN] },
  ]);
});

test('the command line is read', () => {
  expect(parseCompareOptions('08b315f --rounds 7 --quick --transports sqlite --json a.json'.split(' '))).toEqual({
    ...{ commit: '08b315f', transports: 'sqlite', scenarios: 'queue,request,fanout,wake' },
    ...{ rounds: 7, quick: true, json: 'a.json' },
  });
});

test.each([[''], ['a b'], ['a --rounds 4'], ['a --rounds x'], ['a --colour']])('%j is refused', (line) => {
  expect(() => parseCompareOptions(line.split(' ').filter((word) => word !== ''))).toThrow(UsageError);
});

test('an unknown commit ends with 2', { timeout: 60_000 }, async () => {
  const file = new URL('../src/compare/main.ts', import.meta.url);
  const { code, stderr } = await runNode({ file, args: ['no-such-commit'] });
  expect([code, stderr.split('\n', 1)[0]]).toEqual([
    2,
    'bench:compare: this repository has no commit "no-such-commit"',
  ]);
});
