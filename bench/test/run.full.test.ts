/** Small runs of all targets. */

import { needServer } from '@busbar/testbed';
import { describe, test } from 'vitest';
import { findPostgres } from '../src/sandbox/postgres.ts';
import { bench, measured } from './small-run.ts';

/** They mostly wait, so they run together. */
describe.concurrent('small runs', { timeout: 120_000 }, () => {
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

  test('rates, four pairs, failures, streams, locks, replay and payloads', async ({ expect }) => {
    const scenarios = 'rate,parallel,failing,stream,lock,replay,payload';
    const { report, stdout } = await bench(`--backlog 200 --transports unix,sqlite-bus --scenarios ${scenarios}`);
    expect(stdout).toContain('highest rate kept up with');
    expect(measured(report)).toEqual([
      ...['rate', 'parallel', 'failing', 'stream', 'lock'].map((name) => `${name} sqlite-bus`),
      ...['replay unix', 'payload unix'],
    ]);
  });

  test('what people have today', async ({ expect }) => {
    const { report } = await bench('--transports sqlite-poll,json-files --scenarios queue,wake');
    expect(measured(report)).toEqual([
      ...['queue sqlite-poll', 'queue json-files'],
      ...['wake sqlite-poll', 'wake json-files'],
    ]);
  });

  test('Redis and its peers', async ({ expect, skip }) => {
    needServer('redis-server', skip);
    const { report } = await bench('--transports redis,bullmq,blpop,ioredis --scenarios queue');
    expect(measured(report)).toEqual(['queue redis', 'queue bullmq', 'queue blpop', 'queue ioredis']);
  });

  test('pg-boss', async ({ expect, skip }) => {
    skip(findPostgres() === undefined, 'no PostgreSQL on this machine; the benchmarks list pg-boss as NOT TESTED');
    const { report } = await bench('--transports pg-boss --scenarios queue,wake,failing');
    expect(measured(report)).toEqual(['queue pg-boss', 'wake pg-boss', 'failing pg-boss']);
  });

  test('NATS and its peers', async ({ expect, skip }) => {
    needServer('nats-server', skip);
    const { report } = await bench('--transports nats,jetstream,nats-core --scenarios queue,request');
    expect(measured(report)).toEqual([...['queue nats', 'queue jetstream'], ...['request nats', 'request nats-core']]);
  });
});
