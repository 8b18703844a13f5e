// The examples for shells over a hub, on Redis and on NATS.
import { needServer, startNats, startRedis } from '@busbar/testbed';
import { test } from 'vitest';
import { runExamples } from './shell-examples.ts';

const TIMEOUT = { timeout: 90_000 };

test('the scripts run over unix', TIMEOUT, () => runExamples((folder) => `unix:${folder}/hub.sock`));

test('the scripts run on redis', TIMEOUT, async ({ skip }) => {
  needServer('redis-server', skip);
  await using server = await startRedis();
  await runExamples(() => server.url);
});

test('the scripts run on nats', TIMEOUT, async ({ skip }) => {
  needServer('nats-server', skip);
  await using server = await startNats();
  await runExamples(() => server.url);
});
