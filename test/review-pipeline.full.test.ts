// The review pipeline on every other backend, with a reviewer and the coordinator killed.
import { needServer, startNats, startRedis } from '@busbar/testbed';
import { test } from 'vitest';
import { runInOneProcess, runPipeline } from './review-pipeline.ts';

const TIMEOUT = { timeout: 300_000 };

test('each file is reviewed once in one process, in memory', TIMEOUT, () => runInOneProcess('memory'));

test.each([
  ['sqlite', 'sqlite:$/bus.db'],
  ['unix', 'unix:$/bus.sock?idleMs=1000'],
  ['zmq', 'zmq:ipc://$/bus.zmq?idleMs=1000'],
  ['ws', 'ws:$/bus.ws?idleMs=1000'],
])('each file is reviewed once over %s', TIMEOUT, (_, url) => runPipeline({ url, killsCoordinator: true }));

test('each file is reviewed once on redis', TIMEOUT, async ({ skip }) => {
  needServer('redis-server', skip);
  await using server = await startRedis();
  await runPipeline({ url: server.url, killsCoordinator: true });
});

test('each file is reviewed once on nats', TIMEOUT, async ({ skip }) => {
  needServer('nats-server', skip);
  await using server = await startNats();
  await runPipeline({ url: server.url, killsCoordinator: true });
});
