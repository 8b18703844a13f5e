/** Keys that an operator deletes or a full server evicts: queues go on, and what is lost is reported and counted once. */

import { type Bus, openBus } from '@busbar/api';
import type { BusbarError, StoreReset, Transport } from '@busbar/api/transport';
import { needServer, startRedis, waitFor } from '@busbar/testbed';
import { beforeEach, expect, test } from 'vitest';
import { openRedis, parseRedisUrl } from '../src/index.ts';

beforeEach(({ skip }) => needServer('redis-server', skip));

const PREFIX = '{busbar:}:';
const IDS = ['plain', 'keyed-1', 'keyed-2', 'keyed-3', 'delayed', 'leased', 'dead', 'short'];
const QUEUE_KEYS = [
  ...['queue', 'message', 'attempts', 'dead-reason', 'ready', 'blocked', 'delayed', 'leased', 'lease-info'],
  ...['dead', 'ttl', 'dedupe', 'order-member', 'order-groups', 'bindings'],
].map((kind) => `${kind}:work`);
const SHARED_KEYS = [
  ...['header', 'counters', 'due', 'queues', 'bindings', 'marks', 'maintainers', 'waiting-queues', 'topics'],
  ...['log', 'log:state', 'log:dedupe', 'log:dedupe-ids', 'kv:entries', 'kv:keys', 'kv:expiry'],
];

test.concurrent.each([...QUEUE_KEYS, ...SHARED_KEYS, 'waiting:other'])(
  'without the key %s every message is delivered or a dead letter, and everything goes on',
  async (key) => {
    await using server = await startRedis();
    const errors: Error[] = [];
    await using transport = await openRedis(parseRedisUrl(server.url));
    transport.onFailure(({ error }) => errors.push(error));
    const { queues, topics, kv, admin } = transport;
    await fill(transport);
    const waiting = queues.receive('other', { waitMs: Number.POSITIVE_INFINITY }).catch(() => undefined);
    await waitFor(() => server.call('EXISTS', `${PREFIX}${key}`), { what: `the key ${key}`, timeoutMs: 15_000 });
    await server.call('DEL', `${PREFIX}${key}`);

    const seen = new Set<string>();
    await waitFor(
      async () => {
        for (const { id, receipt } of await queues.receive('work', { max: 5, waitMs: 100 })) {
          seen.add(id);
          await queues.settle([{ receipt, action: 'ack' }]);
        }
        for (const { message } of (await admin.browse('work', { state: 'dead' })).messages) seen.add(message.id);
        return IDS.every((id) => seen.has(id));
      },
      { what: `all messages; seen ${[...seen]}`, timeoutMs: 20_000 },
    );
    // Everything works as before.
    await queues.send('work', [{ id: 'later', body: Buffer.from('x') }]);
    expect((await queues.receive('work', { waitMs: 5_000 })).map(({ id }) => id)).toEqual(['later']);
    await topics.bind('bound', 'other.*');
    await topics.publish('other.one', [{ body: Buffer.from('x') }]);
    expect(await queues.receive('bound', { waitMs: 5_000 })).toHaveLength(1);
    await kv.put('new', Buffer.from('x'));
    expect(await kv.get('new')).toBeDefined();
    for (const one of ['key', 'short']) await kv.get(one);
    await kv.list('');
    await admin.queues();
    await admin.topics();
    for await (const _ of admin.exportState()) {
      // Each record can be read.
    }
    await queues.send('other', [{ body: Buffer.from('x') }]);
    expect(await waiting).toHaveLength(1);
    await admin.clear();
    expect(errors).toEqual([]);
  },
  60_000,
);

test.concurrent('messages without a body become dead letters, which each bus learns once, with their number', async () => {
  await using server = await startRedis();
  const errors: BusbarError[] = [];
  await using bus = openBus(await openRedis(parseRedisUrl(server.url)), {
    onError: ({ error }) => void errors.push(error),
  });
  const { queues, admin } = bus.transport;
  await queues.send(
    'work',
    [1, 2, 3].map((n) => ({ id: `lost-${n}`, body: Buffer.from('x') })),
  );
  await server.call('DEL', `${PREFIX}message:work`);
  await queues.send('work', [{ id: 'kept', body: Buffer.from('x') }]);
  expect((await queues.receive('work', { max: 10, waitMs: 2_000 })).map(({ id }) => id)).toEqual(['kept']);
  const { messages } = await admin.browse('work', { state: 'dead' });
  expect(messages.map(({ message, dead }) => [message.id, dead?.reason])).toEqual(
    [1, 2, 3].map((n) => [`lost-${n}`, 'the store lost the body of this message']),
  );
  const reports = (): BusbarError[] => errors.filter(({ code }) => code === 'DATA_LOSS');
  await waitFor(() => reports().length > 0, { what: 'the report', timeoutMs: 8_000 });
  expect(reports().map(({ message }) => message)).toEqual([
    'the store lost a part of its data: messages of the queue work: 3',
  ]);
  // There is nothing to deliver.
  expect(await admin.redrive('work')).toBe(0);
  expect(await admin.redrive('work', { ids: ['lost-1'] })).toBe(0);
  const [info] = await admin.queues({ names: ['work'] });
  expect([info?.dead, info?.totals.dead, info?.leased]).toEqual([3, 3, 1]);
});

test.concurrent('a watch learns of entries that are lost', async () => {
  await using server = await startRedis();
  await using transport = await openRedis(parseRedisUrl(server.url));
  const gone = new Set<string>();
  const resets: StoreReset[] = [];
  transport.onReset((reset) => void resets.push(reset));
  for (const key of ['one', 'two']) await transport.kv.put(key, Buffer.from('x'));
  await transport.kv.watch('', (changes) => {
    for (const change of changes) if (change.kind === 'deleted') gone.add(change.key);
  });
  await server.call('HDEL', `${PREFIX}kv:entries`, 'one', 'two');
  await waitFor(() => gone.size === 2, { what: 'both deletions', timeoutMs: 8_000 });
  await waitFor(() => resets.length > 0, { what: 'the report', timeoutMs: 8_000 });
  expect(resets).toEqual([{ cause: 'damaged', detail: 'keys: 2' }]);
});

test.concurrent('entries still expire when the store lost the plan of their ends', async () => {
  await using server = await startRedis();
  await using transport = await openRedis(parseRedisUrl(server.url));
  const expired = new Set<string>();
  await transport.kv.watch('', (changes) => {
    for (const change of changes) if (change.kind === 'expired') expired.add(change.key);
  });
  for (const key of ['a', 'b']) await transport.kv.put(key, Buffer.from('x'), { ttlMs: 2_000 });
  await server.call('DEL', `${PREFIX}kv:expiry`);
  await waitFor(() => expired.size === 2, { what: 'both ends', timeoutMs: 10_000 });
});

test.concurrent('a server that evicts keys keeps a queue going, and what it evicts is reported', async () => {
  await using server = await startRedis({ config: ['maxmemory-policy allkeys-random', 'appendonly no'] });
  const errors: Error[] = [];
  await using transport = await openRedis(parseRedisUrl(server.url));
  transport.onFailure(({ error }) => errors.push(error));
  for (let n = 0; n < 20; n += 1) {
    await transport.queues.send('work', [{ id: `fill-${n}`, body: Buffer.alloc(100_000, n) }]);
  }
  const used = Number(/used_memory:(\d+)/.exec(String(await server.call('INFO', 'memory')))?.[1]);
  await server.call('CONFIG', 'SET', 'maxmemory', String(used - 500_000));
  await waitFor(async () => Number(/evicted_keys:(\d+)/.exec(String(await server.call('INFO', 'stats')))?.[1]) > 0, {
    what: 'an eviction',
  });
  await server.call('CONFIG', 'SET', 'maxmemory', '0');
  const got = new Set<string>();
  await waitFor(
    async () => {
      await transport.queues.send('work', [{ id: 'next', body: Buffer.from('x') }]).catch(() => undefined);
      for (const { id } of await transport.queues.receive('work', { max: 100, waitMs: 200 })) got.add(id);
      return got.has('next');
    },
    { what: 'the next message', timeoutMs: 20_000 },
  );
  expect(errors).toEqual([]);
}, 60_000);

test.concurrent('a live bus works again within seconds after many random keys were lost', async () => {
  await using server = await startRedis();
  const open = async (): Promise<Bus> =>
    openBus(await openRedis(parseRedisUrl(server.url)), { onError: () => undefined });
  await using bus = await open();
  await using sender = await open();
  const seen = new Set<unknown>();
  const agent = await bus.agent('@worker');
  agent.handle('note', ({ body }) => void seen.add(body));
  agent.handle('echo', ({ body }) => body);
  await bus.process('jobs', ({ body }) => void seen.add(body));
  await bus.subscribe('news.*', ({ body }) => void seen.add(body), { durableName: 'reader' });
  const send = (name: string): Promise<unknown> =>
    Promise.allSettled([
      sender.send('@worker', 'note', `mail ${name}`),
      sender.enqueue('jobs', `task ${name}`),
      sender.publish('news.today', `event ${name}`),
    ]);
  let random = 7;
  for (let round = 0; round < 60; round += 1) {
    await send(String(round));
    const keys = ((await server.call('KEYS', '*')) as string[]).toSorted();
    random = (random * 1_103_515_245 + 12_345) % 2_147_483_648;
    await server.call('DEL', keys[Math.floor(random / 8) % keys.length] ?? '');
  }
  await waitFor(
    async () => {
      await send('last');
      const response = await sender.request('@worker', 'echo', 'call', { timeoutMs: 1_000 });
      return response === 'call' && ['mail last', 'task last', 'event last'].every((one) => seen.has(one));
    },
    { what: 'mail, task, event and call', timeoutMs: 20_000 },
  );
  await waitFor(async () => (await sender.agents({ online: true })).length === 1, {
    what: 'the agent to be online',
    timeoutMs: 15_000,
  });
}, 60_000);

/** One message in each state, events, bindings and entries. */
async function fill({ queues, topics, kv }: Transport): Promise<void> {
  await queues.configure('work', { leaseMs: 1_000 });
  const body = Buffer.from('x');
  await queues.send('work', [{ id: 'dead', body }]);
  const [dead] = await queues.receive('work', { waitMs: 5_000 });
  await queues.settle([{ receipt: dead?.receipt ?? '', action: 'reject', reason: 'no' }]);
  await queues.send('work', [{ id: 'leased', body }]);
  await queues.receive('work', { waitMs: 5_000 });
  await queues.send('work', [
    { id: 'plain', body },
    ...[1, 2, 3].map((n) => ({ id: `keyed-${n}`, body, orderingKey: 'k' })),
    { id: 'delayed', body, delayMs: 1_000 },
    { id: 'short', body, ttlMs: 600_000 },
  ]);
  await topics.bind('work', 'news.*');
  await topics.publish('quiet', [{ body }]);
  await kv.put('key', body);
  await kv.put('short', body, { ttlMs: 600_000 });
}
