/** A server that loses data while clients are open: all of it, its latest writes, single keys. */

import { type Bus, type Lock, openBus } from '@busbar/api';
import type { BusbarError, StoreReset, Transport } from '@busbar/api/transport';
import {
  needServer,
  type RedisServer,
  startRedis,
  startRedisCluster,
  startRedisSentinel,
  waitFor,
} from '@busbar/testbed';
import { beforeEach, describe, expect, test } from 'vitest';
import { openRedis, parseRedisUrl } from '../src/index.ts';

beforeEach(({ skip }) => needServer('redis-server', skip));

const NOTICE = { timeoutMs: 8_000 };

describe('a worker that waits gets the next task within seconds', () => {
  test.concurrent.each([
    ['FLUSHDB', [['FLUSHDB']]],
    ['FLUSHALL and SCRIPT FLUSH', [['FLUSHALL'], ['SCRIPT', 'FLUSH']]],
    ['SCRIPT FLUSH', [['SCRIPT', 'FLUSH']]],
    ['DEL of its registration', [['DEL', '{busbar:a}:waiting:work', '{busbar:a}:waiting-queues']]],
    ['DEL of its queue', [['DEL', '{busbar:a}:queue:work']]],
    ['DEL of the header', [['DEL', '{busbar:a}:header']]],
    ['DEL of the plan', [['DEL', '{busbar:a}:due', '{busbar:a}:queues']]],
  ])('after %s', async (_, commands) => {
    await using server = await startRedis();
    await using one = await openRedis({ ...parseRedisUrl(server.url), ns: 'a' });
    await using other = await openRedis({ ...parseRedisUrl(server.url), ns: 'b' });
    const waits = [one, other].map(({ queues }) => queues.receive('work', { waitMs: 20_000 }));
    for (const ns of ['a', 'b']) await registered(server, ns);
    for (const command of commands) await server.call(...command);
    // The client that waits must notice by itself: another process sends.
    await using sender = await openRedis({ ...parseRedisUrl(server.url), ns: 'a' });
    await using second = await openRedis({ ...parseRedisUrl(server.url), ns: 'b' });
    for (const { queues } of [sender, second]) await queues.send('work', [{ body: Buffer.from('x') }]);
    const began = performance.now();
    for (const deliveries of await Promise.all(waits)) expect(deliveries).toHaveLength(1);
    expect(performance.now() - began).toBeLessThan(8_000);
  });
});

test.concurrent('each bus learns of FLUSHDB once, and each namespace by itself', async () => {
  await using server = await startRedis();
  const options = parseRedisUrl(server.url);
  const buses = await Promise.all(['a', 'a', 'b'].map((ns) => openWithErrors({ ...options, ns })));
  for (const [index, { bus }] of buses.entries()) {
    await bus.agent(`@agent-${index}`);
    // A process that waits looks each second, not every five.
    bus.transport.queues.receive('work', { waitMs: Number.POSITIVE_INFINITY }).catch(() => undefined);
  }
  await server.call('FLUSHDB');
  const losses = (): number[] => buses.map(({ errors }) => errors.filter(({ code }) => code === 'DATA_LOSS').length);
  await waitFor(() => losses().every((count) => count > 0), { what: 'the loss', ...NOTICE });
  for (const [index, { bus }] of buses.entries()) {
    await waitFor(async () => (await bus.agents({ online: true })).some(({ name }) => name === `@agent-${index}`), {
      what: `agent ${index} online`,
      ...NOTICE,
    });
  }
  // Two more rounds of maintenance report nothing more.
  for (let n = 0; n < 6; n += 1) await maintained(server);
  expect(losses()).toEqual([1, 1, 1]);
  for (const { bus } of buses) await bus.close();
});

test.concurrent.each([['header'], ['marks'], ['maintainers'], ['marks', 'counters']])(
  'the loss of %j alone is no reset',
  async (...keys) => {
    await using server = await startRedis();
    await using transport = await openRedis(parseRedisUrl(server.url));
    const resets = resetsOf(transport);
    await transport.kv.put('key', Buffer.from('x'));
    transport.queues.receive('work', { waitMs: Number.POSITIVE_INFINITY }).catch(() => undefined);
    await maintained(server);
    await server.call('DEL', ...keys.map((key) => `{busbar:}:${key}`));
    await maintained(server);
    await maintained(server);
    expect(resets).toEqual([]);
    expect(await server.call('HEXISTS', '{busbar:}:header', 'incarnation')).toBe(1);
  },
);

test.concurrent('clear is one reset, also after its keys are removed', async () => {
  await using server = await startRedis();
  await using transport = await openRedis(parseRedisUrl(server.url));
  const resets = resetsOf(transport);
  const waiting = transport.queues.receive('work', { waitMs: Number.POSITIVE_INFINITY });
  waiting.catch(() => undefined);
  await transport.kv.put('key', Buffer.from('x'));
  const operator = await openRedis(parseRedisUrl(server.url));
  const own = resetsOf(operator);
  await operator.admin.clear();
  await waitFor(() => own.length > 0, { what: 'the reset of the operator' });
  await operator.close();
  await waitFor(() => resets.length > 0, { what: 'the reset', ...NOTICE });
  await transport.queues.send('work', [{ body: Buffer.from('x') }]);
  expect(await waiting).toHaveLength(1);
  transport.queues.receive('work', { waitMs: Number.POSITIVE_INFINITY }).catch(() => undefined);
  await maintained(server);
  await maintained(server);
  expect([resets, own]).toEqual([['replaced'], ['replaced']]);
});

test.concurrent('after a rollback to a snapshot tokens rise, and the first holder learns of its loss (G1)', async () => {
  await using server = await startRedis({ config: ['appendonly no'] });
  const [first, second] = await Promise.all([0, 1].map(() => openWithErrors(parseRedisUrl(server.url))));
  if (first === undefined || second === undefined) throw new Error('unreachable');
  await first.bus.transport.kv.put('any', Buffer.from('x'));
  await server.call('SAVE');
  const lost = await first.bus.lock('door', { leaseMs: 60_000 });
  await server.kill();
  await server.start();
  const taken = await second.bus.lock('door', { leaseMs: 60_000 });
  expect(taken.token).toBeGreaterThan(lost.token);
  await waitFor(() => lost.lost, { what: 'the loss of the lock', ...NOTICE });
  await lost.release();
  expect((await second.bus.lockHolder('door'))?.token).toBe(taken.token);
  expect(Number.isSafeInteger(taken.token)).toBe(true);
  await waitFor(() => first.errors.some(({ code }) => code === 'DATA_LOSS'), { what: 'the report', ...NOTICE });
  for (const { bus } of [first, second]) await bus.close();
});

test.concurrent('a write that only its sender knew of is missed, though others write first after the rollback', async () => {
  await using server = await startRedis({ config: ['appendonly no'], proxy: true });
  await using other = await openRedis({ servers: [`127.0.0.1:${server.port}`] });
  await using transport = await openRedis(parseRedisUrl(server.url));
  const resets = resetsOf(transport);
  await transport.queues.send('work', [{ id: 'saved', body: Buffer.from('x') }]);
  await server.call('SAVE');
  await transport.queues.send('work', [{ id: 'lost', body: Buffer.from('x') }]);
  server.network.block();
  await server.kill();
  await server.start();
  for (let n = 0; n < 20; n += 1) await other.queues.send('work', [{ body: Buffer.from('x') }]);
  server.network.heal();
  await waitFor(() => resets.length > 0, { what: 'the reset', timeoutMs: 20_000 });
  expect(resets).toEqual(['rolled-back']);
}, 60_000);

test.concurrent('a failover to a replica that was cut off is a rollback: tokens rise and holders learn (G1)', async () => {
  await using group = await startRedisSentinel();
  const servers = group.sentinels.map(({ port }) => `127.0.0.1:${port}`);
  const options = { servers, master: group.name, silenceMs: 1000 };
  const [first, second] = await Promise.all([0, 1].map(() => openWithErrors(options)));
  if (first === undefined || second === undefined) throw new Error('unreachable');
  const [master, replica] = group.data;
  await first.bus.transport.kv.put('watched', Buffer.from('saved'));
  const values: string[] = [];
  await second.bus.transport.kv.watch('watched', (changes) => {
    for (const change of changes) if (change.kind === 'put') values.push(Buffer.from(change.entry.value).toString());
  });
  await waitFor(async () => String(await replica?.call('HGET', '{busbar:}:kv:entries', 'watched')).endsWith('saved'), {
    what: 'the replica has the saved value',
  });
  await replica?.call('REPLICAOF', '127.0.0.1', '1');
  await first.bus.transport.kv.put('watched', Buffer.from('lost'));
  await waitFor(() => values.at(-1) === 'lost', { what: 'the watch sees the value' });
  const lost = await first.bus.lock('door', { leaseMs: 60_000 });
  await master?.kill();
  const taken = await takeLock(second.bus);
  expect(taken.token).toBeGreaterThan(lost.token);
  await waitFor(() => lost.lost, { what: 'the loss of the lock', ...NOTICE });
  await waitFor(() => values.at(-1) === 'saved', { what: 'the watch shows the restored value', ...NOTICE });
  for (const { errors } of [first, second]) {
    await waitFor(() => errors.some(({ code }) => code === 'DATA_LOSS'), { what: 'the report', ...NOTICE });
  }
  for (const { bus } of [first, second]) await bus.close();
}, 120_000);

test.concurrent('a failover of a cluster to a replica that was cut off is a rollback too (G1)', async () => {
  await using cluster = await startRedisCluster({ replicas: 1 });
  const servers = cluster.servers.map(({ port }) => `127.0.0.1:${port}`);
  const [first, second] = await Promise.all([0, 1].map(() => openWithErrors({ servers, silenceMs: 1000 })));
  if (first === undefined || second === undefined) throw new Error('unreachable');
  await first.bus.transport.kv.put('saved', Buffer.from('x'));
  const master = await ownerOf(cluster.servers.slice(0, 3));
  await waitFor(async () => /state=online/.test(String(await master.call('INFO', 'replication'))), {
    what: 'a replica',
  });
  expect(await master.call('WAIT', '1', '5000')).toBe(1);
  // The replicas cannot log in again, and keep what they had.
  for (const server of cluster.servers.slice(3)) {
    await server.call('CONFIG', 'SET', 'masteruser', 'nobody', 'masterauth', 'wrong');
  }
  await master.call('CLIENT', 'KILL', 'TYPE', 'replica');
  await first.bus.transport.kv.put('filler', Buffer.from('x'));
  const lost = await first.bus.lock('door', { leaseMs: 60_000 });
  await master.kill();
  const taken = await takeLock(second.bus);
  expect(taken.token).toBeGreaterThan(lost.token);
  await waitFor(() => lost.lost, { what: 'the loss of the lock', ...NOTICE });
  await waitFor(() => first.errors.some(({ code }) => code === 'DATA_LOSS'), { what: 'the report', ...NOTICE });
  expect(await second.bus.transport.kv.get('filler')).toBeUndefined();
  for (const { bus } of [first, second]) await bus.close();
}, 120_000);

/** A lock whose reply is lost with the server is asked for again. */
function takeLock(bus: Bus): Promise<Lock> {
  const attempt = (): Promise<Lock | undefined> => bus.lock('door', { leaseMs: 60_000 }).catch(() => undefined);
  return waitFor(attempt, { what: 'the lock', timeoutMs: 60_000 });
}

/** The server that has the unnamed namespace. */
async function ownerOf(servers: readonly RedisServer[]): Promise<RedisServer> {
  for (const server of servers) {
    const isOwner = await server.call('EXISTS', '{busbar:}:header').catch(() => 0);
    if (isOwner === 1) return server;
  }
  throw new Error('no server has the namespace');
}

interface OpenBus {
  readonly bus: Bus;
  readonly errors: readonly BusbarError[];
}

async function openWithErrors(options: Parameters<typeof openRedis>[0]): Promise<OpenBus> {
  const errors: BusbarError[] = [];
  const bus = openBus(await openRedis(options), { onError: ({ error }) => void errors.push(error) });
  return { bus, errors };
}

function resetsOf(transport: Transport): StoreReset['cause'][] {
  const resets: StoreReset['cause'][] = [];
  transport.onReset(({ cause }) => void resets.push(cause));
  return resets;
}

async function registered(server: RedisServer, ns: string): Promise<void> {
  await waitFor(async () => (await server.call('ZCARD', `{busbar:${ns}}:waiting:work`)) === 1, {
    what: 'the receive to wait',
  });
}

/** Resolves after the next maintenance by any process. */
async function maintained(server: RedisServer): Promise<void> {
  // Only maintenance counts processes.
  const runs = async (): Promise<number> => {
    const stats = String(await server.call('INFO', 'commandstats'));
    return Number(/cmdstat_zcount:calls=(\d+)/.exec(stats)?.[1] ?? 0);
  };
  const before = await runs();
  await waitFor(async () => (await runs()) > before, { what: 'maintenance', ...NOTICE });
}
