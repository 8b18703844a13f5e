// The fast side goes away and comes back: real servers are killed.

import { mkdirSync, rmSync } from 'node:fs';
import { openBus } from '@busbar/api';
import type { StateChange, StoreReset, Transport } from '@busbar/api/transport';
import { needServer, waitFor } from '@busbar/testbed';
import { beforeEach, expect, test } from 'vitest';
import { ack, idsOf, type Setting, startSetting } from './setting.ts';

beforeEach(({ skip }) => needServer('redis-server', skip));

const body = Buffer.from('x');

function until(transport: Transport, state: Transport['state']): Promise<unknown> {
  return waitFor(() => transport.state === state, { what: `the state ${state}` });
}

test('messages of an outage go over the durable side, and come before those of the fast one', async () => {
  await using setting = await startSetting({ fastQueues: ['chat'] });
  const bus = await setting.open();
  const changes: StateChange[] = [];
  bus.onState((change) => changes.push(change));
  await bus.queues.configure('chat', { maxAttempts: 7 });
  await bus.queues.send('chat', [{ id: 'before', body }]);
  expect(idsOf((await setting.fast.admin.browse('chat')).messages.map(({ message }) => message))).toEqual(['before']);

  await setting.server.kill();
  await until(bus, 'degraded');
  expect(await bus.queues.send('chat', [{ id: 'during', body }])).toMatchObject([{ status: 'stored' }]);
  expect(await setting.durable.admin.queues()).toMatchObject([
    { name: 'chat', ready: 1, settings: { maxAttempts: 7 } },
  ]);
  expect(idsOf(await bus.queues.receive('chat'))).toEqual(['during']);
  await bus.queues.configure('late', { maxAttempts: 3 });
  await bus.queues.send('chat', [{ id: 'during too', body }]);

  await setting.server.start();
  await until(bus, 'open');
  await bus.queues.send('chat', [{ id: 'after', body }]);
  const got = [...(await bus.queues.receive('chat')), ...(await bus.queues.receive('chat', { max: 5 }))];
  expect(idsOf(got)).toEqual(['during too', 'before', 'after']);
  await ack(bus, got);
  expect(changes.map(({ state, error }) => [state, error?.code])).toEqual([
    ['degraded', 'UNAVAILABLE'],
    ['open', undefined],
  ]);
});

test('what is declared during an outage is declared on the fast side when it is back', async () => {
  await using setting = await startSetting({ fastQueues: ['chat'], fastTopics: ['ticks'] });
  const bus = await setting.open();
  await setting.server.kill();
  await until(bus, 'degraded');
  await bus.queues.configure('chat', { maxAttempts: 3 });
  await bus.queues.configure('chat', { leaseMs: 5_000 });
  await bus.topics.bind('bound', 'ticks');
  await setting.server.start();
  await until(bus, 'open');
  expect(await setting.fast.admin.bindings()).toEqual([{ queue: 'bound', pattern: 'ticks' }]);
  expect(await setting.fast.admin.queues({ names: ['chat'] })).toMatchObject([
    { settings: { maxAttempts: 3, leaseMs: 5_000 } },
  ]);
});

test('a receive that waits gets messages of both sides, before, during and after an outage', async () => {
  await using setting = await startSetting({ fastQueues: ['chat'] });
  const [bus, sender] = [await setting.open(), await setting.open()];
  const got: string[] = [];
  let isDone = false;
  const consuming = (async () => {
    while (!isDone) {
      const deliveries = await bus.queues.receive('chat', { max: 3, waitMs: 200 });
      await ack(bus, deliveries);
      got.push(...idsOf(deliveries));
    }
  })();
  const send = async (id: string): Promise<void> => {
    expect(await sender.queues.send('chat', [{ id, body }])).toMatchObject([{ status: 'stored' }]);
    await expect.poll(() => got, { timeout: 10_000 }).toContain(id);
  };
  await send('before');
  await setting.server.kill();
  await Promise.all([until(sender, 'degraded'), until(bus, 'degraded')]);
  await send('during');
  await setting.server.start();
  await Promise.all([until(sender, 'open'), until(bus, 'open')]);
  await send('after');
  isDone = true;
  await consuming;
  expect(got).toEqual(['before', 'during', 'after']);
});

test('the server dies while agents send and receive: what was acknowledged is delivered', async () => {
  await using setting = await startSetting({ fastQueues: ['chat'] });
  const [sender, consumer] = [await setting.open(), await setting.open()];
  const total = 240;
  const got: string[] = [];
  let isDone = false;
  const consuming = (async () => {
    while (!isDone) {
      const deliveries = await consumer.queues.receive('chat', { max: 7, waitMs: 100 });
      got.push(...idsOf(deliveries));
      await ack(consumer, deliveries).catch(() => undefined); // An unknown ack comes again.
    }
  })();
  const sent: Promise<string | undefined>[] = [];
  const send = async (id: string): Promise<string | undefined> => {
    try {
      const [result] = await sender.queues.send('chat', [{ id, body }]);
      return result?.status === 'stored' ? id : undefined;
    } catch {
      return undefined;
    }
  };
  const sendMany = async (): Promise<void> => {
    for (let index = 0; index < total / 4; index += 1) {
      sent.push(send(`m${sent.length}`));
      await new Promise(setImmediate);
    }
  };
  await sendMany();
  const killed = setting.server.kill();
  await sendMany();
  await killed;
  await until(sender, 'degraded');
  await sendMany();
  await setting.server.start();
  await until(sender, 'open');
  await sendMany();
  const stored = (await Promise.all(sent)).filter((id) => id !== undefined);
  await expect.poll(() => stored.filter((id) => !got.includes(id)), { timeout: 30_000 }).toEqual([]);
  isDone = true;
  await consuming;
  expect(stored.length).toBeGreaterThan(total / 2);
  expect(sender.parts?.every(({ sent: count }) => count > 0)).toBe(true);
});

test('a message with an ordering key stays on its side', async () => {
  await using setting = await startSetting({ fastQueues: ['chat'] });
  const bus = await setting.open();
  await setting.server.kill();
  await until(bus, 'degraded');
  const keyed = bus.queues.send('chat', [{ body, orderingKey: 'k' }], { timeoutMs: 200 });
  await expect(keyed).rejects.toMatchObject({ code: 'UNAVAILABLE', transport: 'hybrid' });
  const patient = bus.queues.send('chat', [{ id: 'keyed', body, orderingKey: 'k' }]);
  await setting.server.start();
  expect(await patient).toMatchObject([{ status: 'stored' }]);
  expect(idsOf(await bus.queues.receive('chat', { waitMs: 5_000 }))).toEqual(['keyed']);
});

test('a subscription reads both sides, also one that began during an outage', async () => {
  await using setting = await startSetting({ fastTopics: ['ticks.>'] });
  const bus = await setting.open();
  const seen: string[] = [];
  const late: string[] = [];
  await bus.topics.subscribe('>', {}, (events) => void seen.push(...idsOf(events)));
  const publish = async (id: string): Promise<void> => {
    await bus.topics.publish('ticks.a', [{ id, body }]);
    await expect.poll(() => seen, { timeout: 10_000 }).toContain(id);
  };
  await publish('before');
  await setting.server.kill();
  await until(bus, 'degraded');
  await bus.topics.subscribe('ticks.*', {}, (events) => void late.push(...idsOf(events)));
  await publish('during');
  await setting.server.start();
  await until(bus, 'open');
  await publish('after');
  await bus.topics.publish('other', [{ id: 'durable', body }]);
  await bus.topics.publish('other', [{ id: 'ephemeral', body }], { ephemeral: true });
  await expect.poll(() => seen.toSorted()).toEqual(['after', 'before', 'durable', 'during', 'ephemeral']);
  await expect.poll(() => late).toEqual(['during', 'after']);
  const position = await positionOf(bus);
  expect(position.length).toBeLessThanOrEqual(512);
});

test('a program that starts during an outage uses the durable side, and both when the fast one is back', async () => {
  await using setting = await startSetting();
  await setting.server.kill();
  const [bus, other] = [openBus(await setting.open()), openBus(await setting.open())];
  expect(bus.transport).toMatchObject({
    state: 'degraded',
    capabilities: { reach: 'host', features: { calls: false } },
  });
  expect(bus.transport.parts).toMatchObject([
    { role: 'fast', state: 'reconnecting' },
    { role: 'durable', state: 'open' },
  ]);
  const responder = await other.agent('@responder');
  responder.handle('add', ({ body: numbers }: { readonly body: number[] }) => numbers.length);
  const requester = await bus.agent('@requester');
  expect(await requester.request('@responder', 'add', [1, 2])).toBe(2);
  await setting.server.start();
  await Promise.all([until(bus.transport, 'open'), until(other.transport, 'open')]);
  const before = bus.transport.parts?.[0]?.sent ?? 0;
  expect(await requester.request('@responder', 'add', [1, 2, 3])).toBe(3);
  expect(bus.transport.parts?.[0]?.sent).toBeGreaterThan(before);
  await Promise.all([bus.close(), other.close()]);
});

test('a hybrid with messages that must last on the fast side opens when both can be reached', async () => {
  await using setting = await startSetting({ urgent: 8 });
  await setting.server.kill();
  await expect(setting.open()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});

test('a fast side that came back empty says so, what it carried, and how much this program sent to it', async () => {
  await using setting = await startSetting({ fastQueues: ['chat'] });
  const bus = await setting.open();
  const resets: StoreReset[] = [];
  bus.onReset((reset) => resets.push(reset));
  await bus.queues.send('chat', [{ body }, { body }]);
  await bus.queues.send('other', [{ body }]);
  await emptyFast(setting);
  await waitFor(() => resets.length > 0, { what: 'a reset', timeoutMs: 20_000 });
  expect(resets).toMatchObject([{ cause: 'replaced', detail: expect.stringContaining('the fast side, redis') }]);
  const carried = 'It carries requests, ephemeral events, queues chat. This program sent it 2 messages and events';
  expect(resets[0]?.detail).toContain(carried);
});

test('a live bus declares again what a fast side lost that came back empty, and reports it once', async () => {
  await using setting = await startSetting({ fastQueues: ['jobs'], fastTopics: ['news.>'] });
  const reported: (string | undefined)[] = [];
  await using bus = openBus(await setting.open(), { onError: ({ error }) => void reported.push(error.code) });
  const handled: unknown[] = [];
  await bus.process('jobs', ({ body }) => void handled.push(body), { leaseMs: 5_000 });
  await bus.subscribe('news.*', ({ body }) => void handled.push(body), { durableName: 'reader' });
  await emptyFast(setting);
  await waitFor(() => reported.includes('DATA_LOSS'), { what: 'the report', timeoutMs: 20_000 });
  const isDeclared = async (): Promise<boolean> =>
    (await setting.fast.admin.bindings()).length === 1 &&
    (await setting.fast.admin.queues({ names: ['jobs'] }))[0]?.settings.leaseMs === 5_000;
  await waitFor(isDeclared, { what: 'queue and binding on the fast side', timeoutMs: 20_000 });
  await using other = openBus(await setting.open());
  await other.enqueue('jobs', 'task');
  await other.publish('news.today', 'event');
  await waitFor(() => handled.length === 2, { what: 'task and event', timeoutMs: 20_000 });
  expect(handled.toSorted()).toEqual(['event', 'task']);
  expect(reported.filter((code) => code === 'DATA_LOSS')).toHaveLength(1);
});

/** The server of the fast side is killed, and started again without its files. */
async function emptyFast({ server }: Setting): Promise<void> {
  const [, folder = ''] = (await server.call('CONFIG', 'GET', 'dir')) as string[];
  await server.kill();
  rmSync(folder, { recursive: true });
  mkdirSync(folder);
  await server.start();
}

async function positionOf({ topics }: Transport): Promise<string> {
  await using subscription = await topics.subscribe('>', {}, () => undefined);
  return subscription.position ?? '';
}
