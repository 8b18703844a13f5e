// Moves between SQLite and NATS, with agents at work.
import type { Transport } from '@busbar/api/transport';
import { needServer, startNats, tempDir } from '@busbar/testbed';
import { openNats, parseNatsUrl } from '@busbar/transport-nats';
import { openSqlite } from '@busbar/transport-sqlite';
import { beforeEach, expect, test } from 'vitest';
import { type MigrateParts, moveBus, openMigrate, planMove, retire, rollBack, type StoreEnds } from '../src/index.ts';
import { addEventsAndKeys, body } from './move-stores.ts';

beforeEach(({ skip }) => needServer('nats-server', skip));

interface Setting extends AsyncDisposable {
  readonly ends: StoreEnds;
  /** Opens a program that follows. */
  follow(): Promise<Transport>;
}

async function setting(): Promise<Setting> {
  const [dir, server] = [tempDir('busbar-nats-move'), await startNats()];
  const parts: MigrateParts = {
    from: { name: 'sqlite', open: () => openSqlite({ file: dir.join('bus.db') }) },
    to: { name: 'nats', open: () => openNats(parseNatsUrl(server.url)) },
  };
  const [from, to] = await Promise.all([parts.from.open(), parts.to.open()]);
  const opened: Transport[] = [from, to];
  return {
    ends: { from: { transport: from, name: 'sqlite' }, to: { transport: to, name: 'nats' } },
    async follow() {
      const follower = await openMigrate(parts);
      opened.push(follower);
      return follower;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(opened.map((each) => each.close()));
      await server[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
}

/** One of everything. */
async function fill({ queues, topics, kv }: Transport): Promise<void> {
  await queues.configure('work', { dedupeMs: 600_000 });
  await queues.send('work', [
    { id: 'dead', body },
    { id: 'one', body, ttlMs: 60_000 },
    { id: 'two', body, orderingKey: 'k' },
    { id: 'first', body, priority: 9 },
    { id: 'late', body, delayMs: 60_000 },
  ]);
  const [first, dead] = await queues.receive('work', { max: 2 });
  await queues.settle([
    { receipt: dead?.receipt ?? '', action: 'reject', reason: 'broken' },
    { receipt: first?.receipt ?? '', action: 'retry' },
  ]);
  await addEventsAndKeys({ topics, kv });
}

test('everything moves from SQLite to NATS and back, and tokens go on rising', async () => {
  await using bus = await setting();
  const { from, to } = bus.ends;
  await fill(from.transport);
  expect((await planMove(bus.ends)).problems).toEqual([]);
  const token = await from.transport.kv.put('token', body);
  const report = await moveBus(bus.ends);
  expect(report.records).toMatchObject({ messages: 7, events: 2, keys: 3, bindings: 1 });
  await expect(from.transport.queues.send('work', [{ body }])).rejects.toMatchObject({ code: 'CONFLICT' });
  const later = await to.transport.kv.put('token', body);
  expect(revisionOf(later)).toBeGreaterThan(revisionOf(token));
  expect(await to.transport.queues.send('work', [{ id: 'one', body }])).toMatchObject([{ status: 'duplicate' }]);
  await to.transport.queues.send('work', [{ id: 'new', body }]);
  const [held] = await to.transport.queues.receive('work');
  expect(held).toMatchObject({ id: 'first', attempt: 2 });
  await to.transport.topics.publish('news.b', [{ id: 'e3', body }]);

  await retire(from);
  const back = await moveBus({ from: to, to: from }, { drainMs: 200 });
  expect(back.redelivered).toEqual({ count: 1, ids: ['first'] });
  for (const call of [
    () => to.transport.queues.send('work', [{ body }]),
    () => to.transport.queues.settle([{ receipt: held?.receipt ?? '', action: 'ack' }]),
    () => to.transport.kv.put('token', body),
  ])
    await expect(call()).rejects.toMatchObject({ code: 'CONFLICT', message: 'the bus has moved to sqlite' });
  expect((await from.transport.queues.receive('work', { max: 9 })).map(({ id, attempt }) => [id, attempt])).toEqual([
    ['first', 3],
    ['one', 1],
    ['two', 1],
    ['new', 1],
  ]);
  expect((await from.transport.queues.receive('bound', { max: 5 })).map(({ id }) => id)).toEqual(['e1', 'e2', 'e3']);
  expect((await from.transport.admin.browse('work', { state: 'dead' })).messages[0]?.dead?.reason).toBe('broken');
  expect(revisionOf(await from.transport.kv.put('token', body))).toBeGreaterThan(revisionOf(later));
  await retire(to);
  expect(await to.transport.admin.queues()).toEqual([]);
  expect(await to.transport.admin.gate()).toMatchObject({ state: 'moved', movedTo: 'sqlite' });
}, 60_000);

test('a move to NATS that failed is rolled back, and repeated', async () => {
  await using bus = await setting();
  const { from, to } = bus.ends;
  await fill(from.transport);
  const stop = new AbortController();
  const stopped = moveBus(bus.ends, {
    signal: stop.signal,
    onProgress: ({ step }) => step === 'verify' && stop.abort(),
  });
  await expect(stopped).rejects.toThrow();
  await rollBack(bus.ends);
  expect(await to.transport.admin.queues()).toEqual([]);
  expect([await from.transport.admin.gate(), await to.transport.admin.gate()]).toMatchObject([
    { state: 'open' },
    { state: 'open' },
  ]);
  await moveBus(bus.ends);
  const ids = (await to.transport.queues.receive('work', { max: 9 })).map(({ id }) => id);
  // NATS delivers messages with an ordering key before others of their priority.
  expect(ids).toEqual(['first', 'two', 'one']);
}, 60_000);

test('programs follow from SQLite to NATS and back: nothing is lost, doubled or out of order', async () => {
  await using bus = await setting();
  const { from, to } = bus.ends;
  const [sender, one, two] = await Promise.all([bus.follow(), bus.follow(), bus.follow()]);
  const handled: { id: string; key: string }[] = [];
  let isDone = false;
  const consume = async ({ queues }: Transport): Promise<void> => {
    while (!isDone) {
      for (const delivery of await queues.receive('work', { max: 5, waitMs: 200 })) {
        const [result] = await queues.settle([{ receipt: delivery.receipt, action: 'ack' }]);
        if (result?.status === 'done') handled.push({ id: delivery.id, key: delivery.orderingKey ?? '' });
      }
    }
  };
  const events: string[] = [];
  await two.topics.subscribe('news', {}, (batch) => void events.push(...batch.map(({ id }) => id)));
  const consuming = [consume(one), consume(two)];
  const total = 300;
  let moving: Promise<unknown> = Promise.resolve();
  for (let index = 0; index < total; index += 1) {
    if (index === total / 4) moving = moveBus({ from, to });
    if (index === (3 * total) / 4) {
      await moving;
      moving = moveBus({ from: to, to: from });
    }
    await Promise.all([
      sender.queues.send('work', [{ id: `m${index}`, orderingKey: `k${index % 4}`, body }]),
      sender.topics.publish('news', [{ id: `e${index}`, body }]),
    ]);
  }
  await moving;
  const ids = (prefix: string): string[] => Array.from({ length: total }, (_, index) => `${prefix}${index}`);
  await expect.poll(() => handled.length, { timeout: 20_000 }).toBe(total);
  await expect.poll(() => events.length, { timeout: 20_000 }).toBe(total);
  isDone = true;
  await Promise.all(consuming);
  expect(events).toEqual(ids('e'));
  expect(handled.map(({ id }) => id).toSorted()).toEqual(ids('m').toSorted());
  for (const key of ['k0', 'k1', 'k2', 'k3']) {
    const numbers = handled.filter((each) => each.key === key).map(({ id }) => Number(id.slice(1)));
    expect(numbers).toEqual(numbers.toSorted((first, second) => first - second));
  }
}, 90_000);

function revisionOf(result: { readonly status: string; readonly revision?: number }): number {
  return result.revision ?? Number.NaN;
}
