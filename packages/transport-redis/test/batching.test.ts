/** Calls in flight share round trips and scripts, in order, and fail alone. */

import type { Transport } from '@busbar/api/transport';
import { needServer, type RedisServer, startRedis } from '@busbar/testbed';
import { beforeEach, expect, test } from 'vitest';
import { openRedis, parseRedisUrl } from '../src/index.ts';

beforeEach(({ skip }) => needServer('redis-server', skip));

const CALLERS = 64;
const ROUNDS = 20;
const body = Buffer.from('x');

test.concurrent('64 callers share scripts, although they have begun one by one', async () => {
  await using server = await startRedis({ config: ['appendfsync no'] });
  await using transport = await openRedis(parseRedisUrl(server.url));
  const { queues, kv } = transport;
  const sends = await scriptsOf(server, (n) => queues.send('work', [{ id: `m${n}`, body }]));
  expect(sends).toBeLessThan((CALLERS * ROUNDS) / 8);
  const receipts = await receiveAll(transport);
  expect(receipts).toHaveLength(CALLERS * ROUNDS);
  const acks = await scriptsOf(server, (n) => queues.settle([{ receipt: receipts[n] ?? '', action: 'ack' }]));
  expect(acks).toBeLessThan((CALLERS * ROUNDS) / 8);
  const puts = await scriptsOf(server, (n) => kv.put(`key ${n}`, body));
  expect(puts).toBeLessThan((CALLERS * ROUNDS) / 8);
  expect(await queues.receive('work')).toEqual([]);
  expect(await kv.list('key ')).toHaveLength(1_000);
});

test.concurrent('what is not awaited takes effect in the order of the calls', async () => {
  await using server = await startRedis({ config: ['appendfsync no'] });
  await using transport = await openRedis(parseRedisUrl(server.url));
  const { queues, kv, admin } = transport;
  for (let round = 0; round < 50; round += 1) {
    const calls = [
      queues.send('work', [{ body }]),
      admin.deleteQueue('work'),
      queues.send('work', [{ body }]),
      kv.put('key', Buffer.from('1')),
      kv.delete('key'),
      kv.put('key', Buffer.from('2'), { ifRevision: 0 }),
      kv.put('key', Buffer.from('3')),
      kv.put('key', Buffer.from('4'), { ifRevision: 0 }),
    ];
    const results = await Promise.all(calls);
    expect(results[1]).toBe(true);
    expect((await admin.queues({ names: ['work'] })).map(({ ready }) => ready)).toEqual([1]);
    expect(results.slice(3)).toMatchObject([
      { status: 'stored' },
      { status: 'deleted' },
      { status: 'stored' },
      { status: 'stored' },
      { status: 'conflict', current: { value: new Uint8Array(Buffer.from('3')) } },
    ]);
  }
});

test.concurrent('a message that the queue has no room for does not fail those beside it', async () => {
  await using server = await startRedis({ config: ['appendfsync no'] });
  await using transport = await openRedis(parseRedisUrl(server.url));
  await transport.queues.configure('small', { maxLength: 3 });
  const sends = Array.from({ length: 5 }, (_, n) => transport.queues.send('small', [{ id: `m${n}`, body }]));
  const others = Array.from({ length: 5 }, (_, n) => transport.queues.send('large', [{ id: `m${n}`, body }]));
  const statuses = async (calls: typeof sends): Promise<unknown> =>
    (await Promise.all(calls)).flat().map(({ status }) => status);
  expect(await statuses(sends)).toEqual(['stored', 'stored', 'stored', 'failed', 'failed']);
  expect(await statuses(others)).toEqual(Array(5).fill('stored'));
});

/** How many scripts the server runs while callers that begin in different turns call one after the other. */
async function scriptsOf(server: RedisServer, call: (n: number) => Promise<unknown>): Promise<number> {
  const before = await scripts(server);
  let n = 0;
  const caller = async (): Promise<void> => {
    for (let round = 0; round < ROUNDS; round += 1) await call(n++);
  };
  const callers: Promise<void>[] = [];
  for (let index = 0; index < CALLERS; index += 1) {
    callers.push(caller());
    await new Promise(setImmediate);
  }
  await Promise.all(callers);
  return (await scripts(server)) - before;
}

async function receiveAll({ queues }: Transport): Promise<string[]> {
  const receipts: string[] = [];
  for (;;) {
    const some = await queues.receive('work', { max: 1_000 });
    if (some.length === 0) return receipts;
    receipts.push(...some.map(({ receipt }) => receipt));
  }
}

async function scripts(server: RedisServer): Promise<number> {
  const stats = String(await server.call('INFO', 'commandstats'));
  const counts = [...stats.matchAll(/cmdstat_(?:eval|evalsha):calls=(\d+)/g)].map(([, calls]) => Number(calls));
  return counts.reduce((sum, count) => sum + count, 0);
}
