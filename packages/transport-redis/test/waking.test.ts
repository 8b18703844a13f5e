/** Wake-ups of waiting processes, and the cost of waiting. */

import { needServer, type RedisServer, startRedis, waitFor } from '@busbar/testbed';
import { beforeEach, expect, test } from 'vitest';
import { openRedis, parseRedisUrl } from '../src/index.ts';

beforeEach(({ skip }) => needServer('redis-server', skip));

test('ten thousand pending receives share two connections and cost the server almost nothing', async () => {
  await using server = await startRedis({ config: ['appendfsync no'] });
  await using transport = await openRedis(parseRedisUrl(server.url));
  const names = Array.from({ length: 10_000 }, (_, n) => `inbox.${n}`);
  const waits = names.map((name) => transport.queues.receive(name, { waitMs: Number.POSITIVE_INFINITY }));
  for (const wait of waits) wait.catch(() => undefined);
  await waitingFor(server, 'inbox.9999');
  expect(String(await server.call('CLIENT', 'LIST', 'TYPE', 'normal')).match(/name=busbar/g)).toHaveLength(1);
  expect(String(await server.call('CLIENT', 'LIST', 'TYPE', 'pubsub')).match(/name=busbar/g)).toHaveLength(1);
  const before = await scripts(server);
  await transport.queues.send('inbox.7777', [{ body: Buffer.from('x') }]);
  expect(await waits[7777]).toHaveLength(1);
  expect((await scripts(server)) - before).toBeLessThan(10);
});

test('each message wakes one of the waiting processes', async () => {
  await using server = await startRedis({ config: ['appendfsync no'] });
  const options = parseRedisUrl(server.url);
  const transports = await Promise.all(Array.from({ length: 20 }, () => openRedis(options)));
  try {
    const waits = transports.map(({ queues }) => queues.receive('work', { waitMs: Number.POSITIVE_INFINITY }));
    for (const wait of waits) wait.catch(() => undefined);
    await waitFor(async () => (await server.call('ZCARD', '{busbar:}:waiting:work')) === 20, {
      what: '20 waiting processes',
    });
    const [first] = transports;
    await first?.queues.send('work', [{ body: Buffer.from('x') }]);
    await Promise.any(waits.map(async (wait) => void (await wait)));
    expect(await server.call('ZCARD', '{busbar:}:waiting:work')).toBe(19);
  } finally {
    await Promise.all(transports.map((transport) => transport.close()));
  }
});

test('a wake-up passes over processes that are gone and receives that were aborted', async () => {
  await using server = await startRedis({ config: ['appendfsync no'] });
  const options = parseRedisUrl(server.url);
  await using gone = await openRedis(options);
  await using left = await openRedis(options);
  await using patient = await openRedis(options);
  gone.queues.receive('work', { waitMs: Number.POSITIVE_INFINITY }).catch(() => undefined);
  await waitingFor(server, 'work');
  const leaving = new AbortController();
  left.queues.receive('work', { waitMs: Number.POSITIVE_INFINITY, signal: leaving.signal }).catch(() => undefined);
  await waitFor(async () => (await server.call('ZCARD', '{busbar:}:waiting:work')) === 2, {
    what: 'two waiting processes',
  });
  const waiting = patient.queues.receive('work', { waitMs: Number.POSITIVE_INFINITY });
  await waitFor(async () => (await server.call('ZCARD', '{busbar:}:waiting:work')) === 3, {
    what: 'three waiting processes',
  });
  leaving.abort();
  await gone.close();
  await patient.queues.send('work', [{ body: Buffer.from('x') }]);
  expect(await waiting).toHaveLength(1);
});

test('a claim that serves one consumer exactly leaves the process waiting for the next consumer', async () => {
  await using server = await startRedis({ config: ['appendfsync no'] });
  await using transport = await openRedis(parseRedisUrl(server.url));
  await using other = await openRedis(parseRedisUrl(server.url));
  await other.queues.send('work', [{ body: Buffer.from('x') }]);
  const [first, second] = ['one', 'two'].map((consumer) =>
    transport.queues.receive('work', { waitMs: Number.POSITIVE_INFINITY, consumer }),
  );
  expect(await first).toHaveLength(1);
  await waitingFor(server, 'work');
  await other.queues.send('work', [{ body: Buffer.from('x') }]);
  expect(await second).toHaveLength(1);
});

function waitingFor(server: RedisServer, queue: string): Promise<unknown> {
  const name = `{busbar:}:waiting:${queue}`;
  return waitFor(async () => (await server.call('EXISTS', name)) === 1, { what: 'a waiting process' });
}

/** How many scripts the server has run by their hash. */
async function scripts(server: RedisServer): Promise<number> {
  const [, calls = '0'] = /cmdstat_evalsha:calls=(\d+)/.exec(String(await server.call('INFO', 'commandstats'))) ?? [];
  return Number(calls);
}
