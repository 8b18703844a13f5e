// The planned times of cron expressions and intervals.
import { expect, test } from 'vitest';
import { plannedTimes, type StoredTiming } from '../../src/bus/schedules/planned-times.ts';

const HOUR = 3_600_000;
const at = (text: string): number => Date.parse(`${text}Z`);

async function timesAfter(timing: StoredTiming, from: string, count: number): Promise<string[]> {
  const times = await plannedTimes(timing, 0);
  const found: string[] = [];
  for (let time: number | undefined = at(from); found.length < count; ) {
    time = times.after(time);
    if (time === undefined) break;
    found.push(new Date(time).toISOString().slice(5, 16));
  }
  return found;
}

// In Berlin 02:00 to 03:00 does not exist on 29 March 2026, and occurs twice on 25 October.
const changes: [why: string, timing: StoredTiming, from: string, times: string[]][] = [
  ['UTC by default', { cron: '30 2 * * *' }, '2026-03-28T00:00', ['03-28T02:30', '03-29T02:30']],
  [
    'a fixed time in the missing hour fires after it',
    { cron: '30 2 * * *', timeZone: 'Europe/Berlin' },
    '2026-03-28T00:00',
    ['03-28T01:30', '03-29T01:00', '03-30T00:30'],
  ],
  [
    'a fixed time in the double hour fires once',
    { cron: '30 2 * * *', timeZone: 'Europe/Berlin' },
    '2026-10-24T00:00',
    ['10-24T00:30', '10-25T00:30', '10-26T01:30'],
  ],
  [
    'every half hour fires in both of them',
    { cron: '*/30 * * * *', timeZone: 'Europe/Berlin' },
    '2026-10-25T00:10',
    ['10-25T00:30', '10-25T01:00', '10-25T01:30', '10-25T02:00'],
  ],
  [
    'every hour skips the missing one',
    { cron: '0 * * * *', timeZone: 'Europe/Berlin' },
    '2026-03-28T23:10',
    ['03-29T00:00', '03-29T01:00', '03-29T02:00'],
  ],
  [
    'a list of hours skips the missing one',
    { cron: '30 2,14 * * *', timeZone: 'Europe/Berlin' },
    '2026-03-28T20:00',
    ['03-29T12:30', '03-30T00:30'],
  ],
  [
    'a list of hours fires in both of the double one',
    { cron: '30 2,14 * * *', timeZone: 'Europe/Berlin' },
    '2026-10-25T00:00',
    ['10-25T00:30', '10-25T01:30', '10-25T13:30'],
  ],
  ['six fields begin with seconds', { cron: '15 0 2 * * *' }, '2026-03-28T00:00', ['03-28T02:00']],
  ['the first Monday', { cron: '0 9 * * MON#1' }, '2026-03-28T00:00', ['04-06T09:00', '05-04T09:00']],
  ['the last day of the month', { cron: '0 9 L * *' }, '2026-02-01T00:00', ['02-28T09:00', '03-31T09:00']],
  ['names', { cron: '@daily' }, '2026-03-28T00:00', ['03-29T00:00', '03-30T00:00']],
  ['no such day', { cron: '0 0 31 2 *' }, '2026-03-28T00:00', []],
  ['a start', { cron: '@hourly', startAt: at('2026-03-29T05:00') }, '2026-03-28T00:00', ['03-29T05:00', '03-29T06:00']],
  [
    'an interval from its start',
    { everyMs: 7 * HOUR, startAt: at('2026-03-28T05:00') },
    '2026-03-28T00:00',
    ['03-28T05:00', '03-28T12:00', '03-28T19:00'],
  ],
  ['an interval without a start', { everyMs: 24 * HOUR }, '2026-03-28T00:00', ['03-29T00:00', '03-30T00:00']],
];

test.each(changes)('%s', async (_why, timing, from, times) => {
  expect(await timesAfter(timing, from, Math.max(1, times.length))).toEqual(times);
});

test('of several times that have come, the last one counts', async () => {
  const first = at('2026-03-28T02:30');
  for (const [timing, now, last] of [
    [{ cron: '30 2 * * *' }, '2026-03-28T02:30', '2026-03-28T02:30'],
    [{ cron: '30 2 * * *' }, '2026-03-29T02:29', '2026-03-28T02:30'],
    [{ cron: '30 2 * * *' }, '2026-04-05T02:30', '2026-04-05T02:30'],
    [{ cron: '* * * * * *' }, '2027-03-28T02:30', '2027-03-28T02:30'],
    [{ cron: '30 2 * * *', timeZone: 'Europe/Berlin' }, '2026-10-25T01:45', '2026-10-25T00:30'],
    [{ everyMs: HOUR, startAt: first }, '2026-03-28T05:29', '2026-03-28T04:30'],
    [{ everyMs: HOUR, startAt: first }, '2026-03-27T05:29', '2026-03-28T02:30'],
  ] as const) {
    const times = await plannedTimes(timing, 0);
    expect(new Date(times.latest(first, at(now))).toISOString()).toBe(`${last}:00.000Z`);
  }
});

test.each([
  ['nonsense', 'UTC', 'nonsense'],
  ['61 * * * *', 'UTC', 'minute: 61'],
  ['* * * *', 'UTC', 'five or six fields'],
  ['* * * * * * 2027', 'UTC', 'five or six fields'],
  // The library would take these as one date, and as the time at which it parses.
  ['2026-12-01T00:00:00', 'UTC', 'five or six fields'],
  ['0 ? * * *', 'UTC', 'five or six fields'],
  ['@never', 'UTC', '@never'],
  ['0 2 * * *', 'Mars/Base', 'Mars/Base'],
])('%s in %s is refused', async (cron, timeZone, text) => {
  const error = await plannedTimes({ cron, timeZone }, 0).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(text) });
});
