// A bus moves from each backend to each other one, and is the same at the end.
import type { StateRecord, Transport } from '@busbar/api/transport';
import { needServer, startNats, startRedis, tempDir } from '@busbar/testbed';
import { openMemory } from '@busbar/transport-memory';
import { openNats, parseNatsUrl } from '@busbar/transport-nats';
import { openRedis, parseRedisUrl } from '@busbar/transport-redis';
import { openSqlite } from '@busbar/transport-sqlite';
import { expect, test } from 'vitest';
import { moveBus, planMove, retire, type StoreEnd } from '../src/index.ts';

/** Each ordered pair of the four follows once in it. */
const WAY = [
  'memory',
  'sqlite',
  'memory',
  'redis',
  'memory',
  'nats',
  'sqlite',
  'redis',
  'sqlite',
  'nats',
  'redis',
  'nats',
  'memory',
] as const;
type Backend = (typeof WAY)[number];

const LONG_MS = 3_600_000;
const GOES_ON = new Set(['leftMs', 'ttlLeftMs', 'delayLeftMs']);
const text = (length: number): Buffer => Buffer.from('ä€😀-'.repeat(length));

test('from each backend to each other one, with everything that a bus can hold', async ({ skip }) => {
  needServer('redis-server', skip);
  needServer('nats-server', skip);
  expect(new Set(WAY.slice(1).map((to, at) => `${WAY[at]} ${to}`)).size).toBe(12);
  await using dir = tempDir('busbar-pairs');
  await using redis = await startRedis();
  await using nats = await startNats();
  await using opened = new AsyncDisposableStack();
  const opening: Record<Backend, (ns: string) => Promise<Transport>> = {
    memory: () => openMemory(),
    sqlite: (ns) => openSqlite({ file: dir.join(`${ns}.db`) }),
    redis: (ns) => openRedis(parseRedisUrl(`${redis.url}?ns=${ns}`)),
    nats: (ns) => openNats(parseNatsUrl(`${nats.url}?ns=${ns}`)),
  };
  const stores: StoreEnd[] = [];
  for (const [at, name] of WAY.entries()) {
    stores.push({ transport: opened.use(await opening[name](`store${at}`)), name: `${name} ${at}` });
  }

  const [first] = stores as [StoreEnd];
  await fill(first.transport);
  const before = await stateOf(first.transport);
  let token = 0;
  let from = first;
  for (const to of stores.slice(1)) {
    const what = `${from.name} to ${to.name}`;
    expect((await planMove({ from, to })).problems, what).toEqual([]);
    await moveBus({ from, to });
    await retire(from);
    expect(await stateOf(to.transport), what).toEqual(before);
    const put = await to.transport.kv.put('$fence', Buffer.from('x'), { ttlMs: LONG_MS });
    const revision = put.status === 'stored' ? put.revision : 0;
    expect(revision, what).toBeGreaterThan(token);
    token = revision;
    await to.transport.kv.delete('$fence');
    from = to;
  }
  await expectUse(from.transport);
}, 300_000);

async function fill({ queues, topics, kv, admin }: Transport): Promise<void> {
  await queues.configure('work', {
    leaseMs: 60_000,
    maxAttempts: 3,
    dedupeMs: LONG_MS,
    maxLength: 5_000,
    deadTtlMs: 2 * LONG_MS,
  });
  await queues.configure('empty', { frozen: true });
  await queues.configure('stopped', { paused: true });
  await queues.send('work', [
    { id: 'retried', body: text(1), headers: { trace: 'ä "1"' }, maxAttempts: 9, priority: 9 },
    { id: 'rejected', body: text(2), type: 'job', from: '@a', to: '@b', ttlMs: LONG_MS, priority: 9 },
    { id: 'retried later', body: text(1), orderingKey: 'held', priority: 9 },
  ]);
  const taken = await queues.receive('work', { max: 3, consumer: 'worker 1' });
  const receiptOf = (id: string): string => taken.find((delivery) => delivery.id === id)?.receipt ?? '';
  await queues.settle([
    { receipt: receiptOf('retried'), action: 'retry', reason: 'first "try"' },
    { receipt: receiptOf('rejected'), action: 'reject', reason: 'broken\nfor good' },
    { receipt: receiptOf('retried later'), action: 'retry', delayMs: LONG_MS },
  ]);
  await queues.send('work', [
    { id: 'plain', body: Buffer.alloc(0) },
    { id: 'bytes', body: Buffer.from([0, 255, 1, 128, 10]), contentType: 'application/octet-stream' },
    { id: 'large', body: text(20_000), correlationId: 'c', causationId: 'x', hops: 7, replyTo: 'r' },
    { id: 'late', body: text(1), delayMs: LONG_MS, ttlMs: 2 * LONG_MS },
    { id: 'keyed late', body: text(1), delayMs: 2 * LONG_MS, ttlMs: LONG_MS, orderingKey: 'k' },
    ...Array.from({ length: 40 }, (_, index) => ({
      ...{ id: `m${index}`, body: text(index) },
      ...{ priority: index % 10, orderingKey: index % 3 === 0 ? `k${index % 4}` : undefined },
    })),
  ]);
  await queues.send('stopped', [{ id: 'waits', body: text(1) }]);
  await topics.publish('news.a', [
    { id: 'e1', body: text(3) },
    { id: 'e2', body: text(1), headers: { a: 'b' } },
  ]);
  await topics.bind('from.start', 'news.*', { from: 'start' });
  await topics.bind('from.now', 'news.>');
  await topics.publish(
    'news.b',
    Array.from({ length: 20 }, (_, index) => ({ id: `n${index}`, body: text(index) })),
  );
  await kv.put('lasting', text(100));
  await kv.put('short', Buffer.from([0, 255]), { ttlMs: LONG_MS });
  await kv.put('changed', text(1));
  await kv.put('changed', text(2));
  await expect.poll(async () => (await admin.queues({ names: ['from.start'] }))[0]?.ready).toBe(22);
}

/** All records but those of the moves, without times that go on. Each backend has its own order of kinds and queues. */
async function stateOf({ admin }: Transport): Promise<string[]> {
  const all: StateRecord[] = [];
  for await (const record of admin.exportState()) all.push(record);
  const isOfMove = (record: StateRecord): boolean =>
    record.kind === 'revision' || (record.kind === 'kv' && record.key.startsWith('$migrate/'));
  return all
    .filter((record) => !isOfMove(record))
    .map(toText)
    .toSorted();
}

/** JSON with sorted keys. */
function toText(record: StateRecord): string {
  return JSON.stringify(record, (key, value) => {
    if (GOES_ON.has(key)) return value === undefined ? undefined : 'goes on';
    const isPlain = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isPlain
      ? Object.fromEntries(Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1)))
      : value;
  });
}

/** What a consumer sees of it. */
async function expectUse({ queues, admin }: Transport): Promise<void> {
  expect(await queues.send('work', [{ id: 'plain', body: text(1) }])).toMatchObject([{ status: 'duplicate' }]);
  const [first] = await queues.receive('work');
  expect(first).toMatchObject({ id: 'retried', attempt: 2, headers: { trace: 'ä "1"' } });
  const [dead] = (await admin.browse('work', { state: 'dead' })).messages;
  expect(dead).toMatchObject({ message: { id: 'rejected' }, dead: { reason: 'broken\nfor good' } });
  await queues.settle([{ receipt: first?.receipt ?? '', action: 'ack' }]);
  const rest = await queues.receive('work', { max: 100 });
  expect(rest.flatMap(({ id, orderingKey }) => (orderingKey === 'k0' ? [id] : []))).toEqual(['m0']);
  expect(await queues.receive('stopped')).toEqual([]);
  expect((await queues.receive('from.start', { max: 50 })).map(({ id }) => id)).toEqual([
    ...['e1', 'e2'],
    ...Array.from({ length: 20 }, (_, index) => `n${index}`),
  ]);
}
