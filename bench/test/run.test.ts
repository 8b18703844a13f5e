/** One small run, and what goes wrong. `run.full.test.ts` has the other targets. */

import { runNode } from '@busbar/testbed';
import { expect, test } from 'vitest';
import { bench, MAIN, measured } from './small-run.ts';

test('queue, request and wake on SQLite', { timeout: 120_000 }, async () => {
  const { report, stdout } = await bench('--transports sqlite,plainjob-many,raw --scenarios queue,request,wake');
  expect(stdout).toContain('consume+ack /s');
  expect(measured(report)).toEqual([
    ...['queue sqlite', 'queue plainjob-many', 'queue raw'],
    ...['request sqlite', 'wake sqlite'],
  ]);
  expect(report.measurements[0]?.runs).toMatchObject([{ lost: 0, doubled: 0, seconds: expect.any(Number) }]);
  expect(report.measurements[0]?.runs[0]?.expected).toBeGreaterThanOrEqual(400);
  expect(
    report.measurements.find(({ target, scenario }) => target === 'sqlite' && scenario === 'request')?.figures[0],
  ).toMatchObject({ histogram: { unit: 'µs' } });
  expect([report.machine.cores > 0, report.versions['plainjob'] !== 'unknown']).toEqual([true, true]);
});

test('a missing server is reported, and the other targets are measured', { timeout: 120_000 }, async () => {
  const env = { BUSBAR_REDIS_SERVER: '' };
  const args = '--quick --transports bullmq,bare-socket --scenarios request --messages 100'.split(' ');
  const { code, stdout } = await runNode({ file: MAIN, args, env, timeoutMs: 110_000 });
  expect([code, stdout.includes('NOT TESTED: redis-server')]).toEqual([0, true]);
});

test('a bad command line ends with 2 and the usage', async () => {
  const { code, stdout, stderr } = await runNode({ file: MAIN, args: ['--transports', 'carrier-pigeon'] });
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toContain('use sqlite');
});
