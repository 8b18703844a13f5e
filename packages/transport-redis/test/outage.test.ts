/** Lost servers: reconnecting, repeated and unknown calls, and servers that offer less than before. */

import type { StateChange } from '@busbar/api/transport';
import {
  needServer,
  type RedisServer,
  startRedis,
  startRedisCluster,
  startRedisSentinel,
  waitFor,
} from '@busbar/testbed';
import { beforeEach, expect, test } from 'vitest';
import { openRedis, parseRedisUrl } from '../src/index.ts';

beforeEach(({ skip }) => needServer('redis-server', skip));

test.concurrent('a silent connection is replaced, and pending receives continue', async () => {
  await using server = await startRedis({ proxy: true });
  await using transport = await openRedis({ ...parseRedisUrl(server.url), silenceMs: 500 });
  const changes: StateChange[] = [];
  transport.onState((change) => changes.push(change));
  const waiting = transport.queues.receive('work', { waitMs: Number.POSITIVE_INFINITY });
  await registered(server, 'work');
  server.network.halfOpen();
  await waitFor(() => transport.state === 'reconnecting', { what: 'the state reconnecting' });
  server.network.heal();
  await waitFor(() => transport.state === 'open', { what: 'the state open' });
  await transport.queues.send('work', [{ body: Buffer.from('x') }]);
  expect(await waiting).toHaveLength(1);
  expect(changes.map(({ state, error }) => [state, error?.code])).toEqual([
    ['reconnecting', 'UNAVAILABLE'],
    ['open', undefined],
  ]);
});

test.concurrent('a server that drops each new connection is asked ever more rarely, and served again when it keeps one', async () => {
  await using server = await startRedis({ proxy: true });
  await using transport = await openRedis(parseRedisUrl(server.url));
  const opened: number[] = [];
  transport.onState(({ state }) => {
    if (state !== 'open' || opened.push(performance.now()) === 11) return;
    server.network.cut();
  });
  server.network.cut();
  await waitFor(() => opened.length === 11, { what: 'eleven connections' });
  // The pauses before the last five are 25, 50, 100, 200 and 400 ms, and up to half shorter.
  expect((opened[10] ?? 0) - (opened[5] ?? 0)).toBeGreaterThan(380);
  expect((await transport.queues.send('work', [{ body: Buffer.from('x') }]))[0]?.status).toBe('stored');
});

test.concurrent('a call waits for the server until its deadline, then it is UNAVAILABLE', async () => {
  await using server = await startRedis();
  await using transport = await openRedis(parseRedisUrl(server.url));
  await server.kill();
  await waitFor(() => transport.state === 'reconnecting', { what: 'the state reconnecting' });
  const late = transport.queues.send('work', [{ body: Buffer.from('x') }], { timeoutMs: 100 });
  await expect(late).rejects.toMatchObject({ code: 'UNAVAILABLE', retryable: true });
  const patient = transport.queues.send('work', [{ body: Buffer.from('x') }]);
  await server.start();
  expect((await patient)[0]?.status).toBe('stored');
});

test.concurrent('a settlement whose reply was lost is unknown and is not repeated', async () => {
  await using server = await startRedis({ proxy: true });
  await using transport = await openRedis(parseRedisUrl(server.url));
  await transport.queues.send('work', [{ body: Buffer.from('x') }]);
  const [delivery] = await transport.queues.receive('work');
  server.pause();
  const settled = transport.queues.settle([{ receipt: delivery?.receipt ?? '', action: 'retry' }]);
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  server.network.cut();
  server.resume();
  expect(await settled).toMatchObject([{ status: 'unknown' }]);
});

test.concurrent('a claim whose reply was lost is undone without counting an attempt', async () => {
  await using server = await startRedis({ proxy: true });
  await using transport = await openRedis(parseRedisUrl(server.url));
  await using other = await openRedis({ servers: [`127.0.0.1:${server.port}`] });
  const waiting = transport.queues.receive('work', { waitMs: Number.POSITIVE_INFINITY });
  await registered(server, 'work');
  server.network.halfOpen();
  await other.queues.send('work', [{ body: Buffer.from('x') }]);
  server.network.heal();
  server.network.cut();
  const [delivery] = await waiting;
  expect(delivery?.attempt).toBe(1);
});

test.concurrent('a server that offers less than before is refused with the difference', async () => {
  await using server = await startRedis();
  await using transport = await openRedis(parseRedisUrl(server.url));
  await server.call('CONFIG', 'SET', 'appendfsync', 'everysec');
  await server.call('CLIENT', 'KILL', 'TYPE', 'normal');
  const refused = waitFor(
    async () => {
      const error: unknown = await transport.kv.get('key', { timeoutMs: 200 }).catch((reason: unknown) => reason);
      return (error as Error | undefined)?.message?.includes('offers less') ? error : undefined;
    },
    { what: 'the refusal' },
  );
  expect(await refused).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('durability power') });
  await server.call('CONFIG', 'SET', 'appendfsync', 'always');
  await waitFor(() => transport.state === 'open', { what: 'the state open' });
  expect(await transport.kv.get('key')).toBeUndefined();
});

test.concurrent('scripts are sent again after SCRIPT FLUSH', async () => {
  await using server = await startRedis();
  await using transport = await openRedis(parseRedisUrl(server.url));
  await transport.kv.put('key', Buffer.from('x'));
  await server.call('SCRIPT', 'FLUSH');
  const results = await Promise.all([1, 2, 3].map(() => transport.kv.put('key', Buffer.from('x'))));
  expect(results.map(({ status }) => status)).toEqual(['stored', 'stored', 'stored']);
});

test.concurrent('any node of a cluster leads to the owner of a namespace', async () => {
  await using cluster = await startRedisCluster();
  const servers = cluster.servers.map(({ port }) => `127.0.0.1:${port}`);
  for (const ns of ['a', 'b', 'c', 'd', 'e']) {
    await using one = await openRedis({ servers, ns });
    await using other = await openRedis({ servers: servers.slice(-1), ns });
    expect(one.capabilities.durability).toBe('none');
    expect(one.warnings?.[0]?.text).toContain('failover');
    const waiting = one.queues.receive('work', { waitMs: 5000 });
    await using _subscription = await one.topics.subscribe('news', {}, () => undefined);
    await other.queues.send('work', [{ body: Buffer.from(ns) }]);
    expect(Buffer.from((await waiting)[0]?.body ?? []).toString()).toBe(ns);
  }
}, 60_000);

test.concurrent('sentinels lead to the master, and to a new one after a failover', async () => {
  await using group = await startRedisSentinel();
  const servers = group.sentinels.map(({ port }) => `127.0.0.1:${port}`);
  await using transport = await openRedis({ servers, master: group.name, silenceMs: 1000 });
  expect(transport.capabilities.durability).toBe('none');
  const waiting = transport.queues.receive('work', { waitMs: Number.POSITIVE_INFINITY });
  const master = await group.master();
  await registered(master, 'work');
  await master.kill();
  const [sent] = await transport.queues.send('work', [{ body: Buffer.from('x') }]);
  expect(sent?.status).toBe('stored');
  expect(await waiting).toHaveLength(1);
  const unknown = openRedis({ servers, master: 'nobody' });
  await expect(unknown).rejects.toMatchObject({ code: 'NOT_FOUND' });
}, 60_000);

/** Resolves when a process is registered as waiting for the queue. */
function registered(server: RedisServer, queue: string): Promise<unknown> {
  return waitFor(async () => (await server.call('EXISTS', `{busbar:}:waiting:${queue}`)) === 1, {
    what: 'a waiting process',
  });
}
