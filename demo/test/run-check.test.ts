/** The last line of a run, and its faults. */

import { expect, test } from 'vitest';
import { findFaults, lastLine } from '../src/report/run-check.ts';
import { RunStats } from '../src/report/run-stats.ts';
import { audit, outcome, resultsOf } from './run-outcome.ts';

const three = [audit('a.ts'), audit('b.ts'), audit('c.ts')];

test('a run without faults', () => {
  expect(lastLine(outcome(three))).toBe('demo: 3 files, 3 results, 0 lost, 0 duplicated, 0 killed');
  expect(findFaults(outcome(three))).toEqual([]);
});

test('a file without a result is lost, and the dead letter says why', () => {
  const results = resultsOf(three);
  results.delete('audits#1');
  const dead = [{ file: 'b.ts\x1b[2J', reason: 'out of paper' }];
  const lossy = outcome(three, { merged: { results, again: 0, stale: 0 }, dead });
  expect(lastLine(lossy)).toBe('demo: 3 files, 2 results, 1 lost, 0 duplicated, 0 killed');
  expect(findFaults(lossy)).toEqual(['1 of 3 files have no result', 'gave up on b.ts�[2J: out of paper']);
});

test('two results of one file are a duplicate', () => {
  const results = resultsOf([...three, audit('a.ts')]);
  const twice = outcome(three, { merged: { results, again: 0, stale: 0 } });
  expect(lastLine(twice)).toBe('demo: 3 files, 4 results, 0 lost, 1 duplicated, 0 killed');
  expect(findFaults(twice)).toEqual(['1 results were counted twice']);
});

test('events must agree', () => {
  const run = outcome(three);
  run.stats.add({ kind: 'replayed', events: 4 });
  expect(findFaults(run)).toEqual(['events do not agree: 5 published, 5 received, 4 replayed']);
  expect(findFaults({ ...run, stats: new RunStats() })).toContain(
    'events do not agree: 0 published, 0 received, 0 replayed',
  );
});

test('every kill shows in a redelivery', () => {
  const kills = [
    { worker: '@demo.worker-1', held: ['audits#0', 'audits#2'] },
    { worker: '@demo.worker-2', held: ['audits#1'] },
  ];
  const run = outcome(three, { kills, killsWanted: 2 });
  run.stats.add({ kind: 'audited', id: 'audits#2', attempt: 2, event: 'audited 2' });
  expect(lastLine(run)).toBe('demo: 3 files, 3 results, 0 lost, 0 duplicated, 2 killed');
  expect(findFaults(run)).toEqual([
    'none of the tasks that @demo.worker-2 held when it was killed was delivered again',
  ]);
  expect(findFaults(outcome(three, { killsWanted: 2 }))).toEqual([
    '2 of 2 workers were not killed: the work ended before',
  ]);
});

test('the last line ends with a killed server; a missed kill is a fault', () => {
  const killed = outcome(three, { serversKilled: 1, serverKillWanted: true });
  expect(lastLine(killed)).toMatch(/, 0 killed, 1 server killed$/);
  expect(findFaults(killed)).toEqual([]);
  expect(findFaults(outcome(three, { serverKillWanted: true }))).toEqual([
    'the server was not killed: the work ended before',
  ]);
});

test('a run that was to move and did not has a fault', () => {
  const moveWanted = { from: 'sqlite', to: 'redis' };
  expect(findFaults(outcome(three, { moveWanted }))).toEqual(['the bus was not moved: the work ended before']);
});
