/** Small runs in processes of their own: exit code 0, and every figure in the JSON. */

import { readFileSync } from 'node:fs';
import { needServer, runNode, tempDir } from '@busbar/testbed';
import { describe, expect, test } from 'vitest';
import type { Report } from '../src/report/report.ts';

const MAIN = new URL('../src/main.ts', import.meta.url);

async function bench(args: string): Promise<{ report: Report; stdout: string }> {
  await using folder = tempDir();
  const json = folder.join('deep/figures.json');
  const all = `--quick --messages 200 ${args} --json ${json}`.split(' ');
  const { code, stdout, stderr } = await runNode({ file: MAIN, args: all, timeoutMs: 110_000 });
  expect([code, stderr], stdout).toEqual([0, '']);
  return { report: JSON.parse(readFileSync(json, 'utf8')) as Report, stdout };
}

/** Scenario and target of each measurement whose figures all have values. */
function measured({ measurements }: Report): string[] {
  const isGood = (value: number | null): boolean => value !== null && value > -1;
  const whole = measurements.filter(({ figures }) =>
    figures.every(({ values }) => values.length > 0 && values.every(isGood)),
  );
  return whole.map(({ scenario, target }) => `${scenario} ${target}`);
}

/** They mostly wait, so they run together. */
describe.concurrent('small runs', { timeout: 120_000 }, () => {
  test('queue, request and wake on SQLite', async ({ expect }) => {
    const { report, stdout } = await bench('--transports sqlite,plainjob-many,raw --scenarios queue,request,wake');
    expect(stdout).toContain('consume+ack /s');
    expect(measured(report)).toEqual([
      ...['queue sqlite', 'queue plainjob-many', 'queue raw'],
      ...['request sqlite', 'wake sqlite'],
    ]);
    expect([report.machine.cores > 0, report.versions['plainjob'] !== 'unknown']).toEqual([true, true]);
  });

  test('requests of peers that need no server', async ({ expect }) => {
    const { report } = await bench('--transports moleculer,nestjs,bare-socket --scenarios request');
    expect(measured(report)).toEqual(['request moleculer', 'request nestjs', 'request bare-socket']);
  });

  test('all links to a hub', async ({ expect }) => {
    const { report } = await bench('--transports unix-bus,zmq,ws --scenarios queue');
    expect(measured(report)).toEqual(['queue unix-bus', 'queue zmq', 'queue ws']);
  });

  test('a queue beside idle members', async ({ expect }) => {
    const { report, stdout } = await bench('--transports unix --scenarios members --members 0,3');
    expect(stdout).toContain('3 members');
    expect(measured(report)).toEqual(['members unix']);
  });

  test('many mailboxes, and minutes at full rate', async ({ expect }) => {
    const { report } = await bench('--transports unix --scenarios mailboxes,sustained --mailboxes 20 --seconds 1');
    expect(measured(report)).toEqual(['mailboxes unix', 'sustained unix']);
  });

  test('Redis and its peers', async ({ expect, skip }) => {
    needServer('redis-server', skip);
    const { report } = await bench('--transports redis,bullmq,ioredis --scenarios queue');
    expect(measured(report)).toEqual(['queue redis', 'queue bullmq', 'queue ioredis']);
  });

  test('NATS and its peers', async ({ expect, skip }) => {
    needServer('nats-server', skip);
    const { report } = await bench('--transports nats,jetstream,nats-core --scenarios queue,request');
    expect(measured(report)).toEqual([...['queue nats', 'queue jetstream'], ...['request nats', 'request nats-core']]);
  });
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
