/** The plan, the time that is left, and the account of lost and doubled messages. */

import { expect, test, vi } from 'vitest';
import { measure, succeeded } from '../src/measurement.ts';
import { type BenchOptions, parseOptions } from '../src/options.ts';
import { makePlan, secondsOf } from '../src/plan.ts';
import { Arrivals } from '../src/processes/arrivals.ts';
import { PublishWindow } from '../src/processes/publish-window.ts';
import { clock, Progress } from '../src/progress.ts';
import { addTallies, faultOf, NO_TALLY } from '../src/tally.ts';
import { TARGETS } from '../src/targets/targets.ts';

const planOf = (line: string) => {
  const options = parseOptions(line.split(' '), Object.keys(TARGETS));
  if (options === 'help') throw new Error('it asks for help');
  return makePlan(options);
};

test('--quick takes less than six minutes', () => {
  expect(secondsOf(planOf('--quick'))).toBeLessThan(360);
});

test('a peer that fails is a row with its error, and only Busbar fails the run', { timeout: 120_000 }, async () => {
  const options = parseOptions(['--quick', '--messages', '100'], Object.keys(TARGETS)) as BenchOptions;
  const batch = {
    scenario: 'request',
    durability: 'process',
    targets: ['no-such-peer'],
    runs: 1,
    secondsEach: 1,
  } as const;
  const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  const measurements = await measure(batch, options, new Progress(1, 600));
  stderr.mockRestore();
  expect(measurements).toMatchObject([
    { target: 'no-such-peer', figures: [], failure: expect.stringContaining('open: ') },
  ]);
  expect(succeeded(measurements)).toBe(true);
  expect(succeeded(measurements.map((one) => ({ ...one, target: 'sqlite-bus' })))).toBe(false);
});

test('durabilities after the first have half the runs, and long scenarios have one', () => {
  const plan = planOf('--transports sqlite --scenarios queue,idle,micro --durability process,power --runs 5');
  expect(plan.map(({ scenario, durability, targets, runs }) => [scenario, durability, targets.length, runs])).toEqual([
    ['queue', 'process', 1, 5],
    ['queue', 'power', 1, 2],
    ['idle', 'process', 1, 1],
    ['micro', 'process', 1, 1],
  ]);
});

test('targets that a bar rests on have all runs everywhere', () => {
  const transports = 'sqlite,redis-bus,bullmq,redis-ephemeral,nats-bus';
  const scenarios = 'queue,fanout,writers,memory';
  const line = `--transports ${transports} --scenarios ${scenarios} --durability process,none --runs 5`;
  expect(planOf(line).map(({ runs, more }) => [runs, more])).toEqual([
    [5, undefined],
    [2, { 'redis-bus': 5, bullmq: 5 }],
    [2, { 'redis-ephemeral': 5 }],
    [1, { sqlite: 5 }],
    [1, undefined],
    [1, { 'redis-bus': 5, 'nats-bus': 5 }],
  ]);
});

test('nothing begins that would end after the limit', () => {
  const progress = new Progress(1000, 600);
  expect([progress.hasTimeFor(500), progress.hasTimeFor(700)]).toEqual([true, false]);
});

test('a time is shown in minutes', () => {
  expect([0, 59.7, 187].map(clock)).toEqual(['0:00', '1:00', '3:07']);
});

test('each number counts once for each subscriber', () => {
  const arrivals = new Arrivals({ count: 2, first: 10, stride: 5, sources: 2, ordered: true });
  const take = (index: number, source: number): void => arrivals.take({ index, text: '' }, source);
  take(10, 0);
  take(15, 0);
  take(10, 1);
  expect(arrivals.tally).toEqual({ expected: 4, lost: 1, doubled: 0, reordered: 1 });
  take(10, 1);
  take(99, 1);
  expect(arrivals.tally).toEqual({ expected: 4, lost: 1, doubled: 2, reordered: 2 - 1 });
});

test('a mark is reached when each subscriber has so many, or when nothing comes any more', async () => {
  const arrivals = new Arrivals({ count: 3, sources: 2 });
  let isReached = false;
  const reached = arrivals.reached(2).then(() => (isReached = true));
  const take = (index: number, source: number): void => arrivals.take({ index, text: '' }, source);
  for (const index of [0, 1, 2]) take(index, 0);
  take(0, 1);
  await Promise.resolve();
  expect(isReached).toBe(false);
  take(1, 1);
  await reached;
  take(2, 1);
  await arrivals.reached(99);
});

test('an event leaves when the window is open for it', async () => {
  const window = new PublishWindow();
  await window.includes(1_000_000);
  window.open(5);
  await window.includes(4);
  const left: number[] = [];
  const [fifth, sixth] = [5, 6].map(async (index) => {
    await window.includes(index);
    left.push(index);
  });
  window.open(6);
  await fifth;
  expect(left).toEqual([5]);
  window.open(7);
  await sixth;
  expect(left).toEqual([5, 6]);
});

test('a run that loses or doubles is void', () => {
  const tally = addTallies([
    { ...NO_TALLY, expected: 10, lost: 1 },
    { ...NO_TALLY, expected: 20, doubled: 2 },
  ]);
  expect(faultOf(tally)).toBe('void: of 30 messages 1 were lost, 2 doubled, 0 reordered');
  expect(faultOf({ ...NO_TALLY, expected: 5 })).toBeUndefined();
});
