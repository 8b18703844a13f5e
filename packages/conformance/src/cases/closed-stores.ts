/** State transfer: what a closed store refuses, what it keeps, and what goes on. */

import type { BusbarError } from '@busbar/api';
import type { Delivery, KvChange, MessageInput, StateRecord, Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import { freezeProcess } from '../faults/freeze-process.ts';
import { consume, receiveOne, settle, settleStatuses, texts, waitUntil } from '../steps/consuming.ts';
import { follow, publishTexts } from '../steps/event-log.ts';
import { assertClosed, assertGateRefused, openGate, setGate } from '../steps/gate.ts';
import { assertCounts } from '../steps/queue-view.ts';
import { exportContent } from '../steps/state-transfer.ts';
import { storedOf } from '../steps/values.ts';

const shared = { group: 'State transfer', needs: ['gate', 'exportState'], refused: assertGateRefused } as const;
/** Shorter than the case waits in the closed store. */
const LEFT_MS = 2_000;
const LONG_MS = 60_000;
const body = Uint8Array.of(1);

export const cases: readonly ConformanceCase[] = defineCases(shared, [
  {
    id: 'J25',
    title: 'a closed store refuses every call that changes it, and answers every call that reads it',
    rules: ['RA8'],
    smoke: true,
    async run(test, transport) {
      const other = await test.open();
      const { held } = await fill(test, transport);
      await setGate(test, other, 'closed', { ttlMs: LONG_MS });
      const before = await exportContent(transport);
      for (const client of [transport, other]) {
        for (const [what, call] of writesOf(client, held)) await assertClosed(test, call(), what);
      }
      test.check.equal(await exportContent(transport), before, 'the export after the refused calls');
      const { admin, kv } = transport;
      test.check.equal((await kv.get('key'))?.value, body, 'a value');
      test.check.equal((await kv.list('')).length, 1, 'entries');
      test.check.equal((await admin.browse('inbox')).messages.length, 5, 'browsed messages');
      test.check.equal((await admin.bindings()).length, 1, 'bindings');
      const names = (await admin.topics()).map(({ name }) => name);
      test.check.equal(names, ['news'], 'topics');
      await openGate(test);
      await test.send(transport, 'inbox', test.messages(1));
      await consume(test, transport, 'inbox', 4);
    },
  },
  {
    id: 'J26',
    title: 'leases end when the store closes: the messages come again, and no receipt of before works',
    rules: ['RA8', 'RQ2', 'RQ3'],
    async run(test, transport) {
      const other = await test.open();
      await test.send(transport, 'inbox', test.messages(3, { maxAttempts: 3 }));
      const held = await test.receive(transport, 'inbox', 3);
      const waiting = other.queues.receive('waiting', { waitMs: 30_000 });
      const refused = assertClosed(test, waiting, 'the receive that waits');
      await setGate(test, other, 'closed', { ttlMs: LONG_MS });
      await assertCounts(test, transport, 'inbox', { ready: 3, leased: 0 });
      const acks = held.map(({ receipt }) => ({ receipt, action: 'ack' as const }));
      await assertClosed(test, transport.queues.settle(acks), 'an ack of before');
      await refused;
      const [message] = (await transport.admin.browse('inbox')).messages;
      test.check.equal([message?.attempts, message?.history.length], [1, 1], 'attempts and their history');
      await openGate(test);
      if (test.capabilities.features.staleSettleRefused) {
        const late = await settleStatuses(transport, held, { action: 'ack' });
        test.check.equal(late, ['lease-lost', 'lease-lost', 'lease-lost'], 'acks of before');
      }
      const again = await consume(test, other, 'inbox', 3);
      test.check.mapped(again, ({ attempt }) => attempt, [2, 2, 2], 'attempts of the next deliveries');
    },
  },
  {
    id: 'J27',
    title: 'times to live stand still while the store is closed, and go on afterwards',
    rules: ['RA8', 'RQ6', 'RE2'],
    async run(test, transport) {
      const { kv, admin } = transport;
      await test.send(transport, 'inbox', [
        ...test.messages(1, { ttlMs: 1_500 }, 'short'),
        ...test.messages(1, { delayMs: 1_200 }, 'delayed'),
      ]);
      const hasKeys = test.capabilities.features.orderingKeys === true;
      const keyed = [
        ...test.messages(1, { orderingKey: 'k', ttlMs: 1_500, delayMs: 3_600_000 }, 'first'),
        ...test.messages(1, { orderingKey: 'k' }, 'next'),
      ];
      if (hasKeys) await test.send(transport, 'keyed', keyed);
      await kv.put('short', body, { ttlMs: 1_500 });
      const expired: string[] = [];
      const watch = await kv.watch('', (changes) => void expired.push(...expiredOf(changes)));
      test.defer(() => watch.close());
      await setGate(test, transport, 'closed', { ttlMs: LONG_MS });
      const before = await exportContent(transport);
      await waitUntil(test, performance.now() + 2_500);
      test.check.equal(await exportContent(await test.open()), before, 'the export after that time');
      test.check.ok((await kv.get('short')) !== undefined, 'the entry is there');
      const { messages } = await admin.browse('inbox');
      test.check.equal(
        texts(
          test,
          messages.map(({ message }) => message),
        ).toSorted(),
        ['delayed0', 'short0'],
        'messages',
      );
      test.check.equal(expired, [], 'expired entries');
      const openedAt = performance.now();
      await openGate(test);
      // It is due long after it expires, which frees the next one of its key.
      if (hasKeys)
        test.check.equal(test.text(await receiveOne(test, transport, 'keyed')), 'next0', 'the next one of the key');
      await test.until('the entry to expire', async () => (await kv.get('short')) === undefined);
      await test.until('its watch to see it', () => expired.length > 0);
      test.check.ok(performance.now() - openedAt > 100, 'it had time left');
      test.check.equal(test.text(await receiveOne(test, transport, 'inbox')), 'delayed0', 'the delayed message');
      await assertCounts(test, transport, 'inbox', { ready: 0, leased: 1 });
    },
  },
  {
    id: 'J28',
    title: 'what is imported into a closed store has its whole time to live when the store opens',
    rules: ['RA8', 'RA7', 'RE2'],
    async run(test, transport) {
      const { kv, admin } = transport;
      await test.send(transport, 'inbox', test.messages(1, { ttlMs: LEFT_MS }));
      const { createRevision } = storedOf(test, await kv.put('presence', body, { ttlMs: LEFT_MS }));
      const { revision } = await setGate(test, transport, 'closed', { ttlMs: LONG_MS });
      const exported = await exportContent(transport);
      const records = exported.map((one) => (one.kind === 'dedupe' ? { ...one, leftMs: LEFT_MS } : one));
      await admin.clear({ gateRevision: revision });
      await admin.importState(records, { gateRevision: revision });
      // A server that counts whole seconds has forgotten by then what it does not hold.
      await waitUntil(test, performance.now() + LEFT_MS + 2_100);
      test.check.equal(sorted(await exportContent(transport)), sorted(records), 'the export of what was imported');
      const opening = performance.now();
      await openGate(test);
      const after = dedupeLeft(await exportContent(transport));
      test.check.between(
        dedupeLeft(records) - after,
        -10,
        performance.now() - opening + 10,
        'what the dedupe window lost',
      );
      const present = await kv.get('presence');
      test.check.equal(present?.createRevision, createRevision, 'the entry after the pause');
      test.check.between(present?.ttlLeftMs ?? 0, 1, LEFT_MS, 'its time to live');
      const [touched] = await kv.touch([{ key: 'presence', ttlMs: 60_000, createRevision }]);
      test.check.equal(touched?.status, 'touched', 'a touch after the pause');
      await receiveOne(test, transport, 'inbox');
    },
  },
  {
    id: 'J29',
    title: 'what was acknowledged before the store closed is in it, and nothing else enters, from many clients at work',
    rules: ['RA8', 'RD1'],
    timeoutMs: 60_000,
    async run(test, transport) {
      const clients = [transport, await test.open(), await test.open()];
      await transport.queues.configure('work', { maxLength: 100_000 });
      await transport.topics.bind('bound', 'news.*');
      for (let round = 0; round < 4; round += 1) {
        const stored: string[] = [];
        const acked: string[] = [];
        const work = clients.map((client, index) => workUntilClosed(test, client, `${round}-${index}`, stored, acked));
        await test.until('clients at work', () => stored.length > 60 * (round + 1) && acked.length > 10);
        await setGate(test, await test.open(), 'closed', { ttlMs: LONG_MS });
        const before = await exportContent(transport);
        await Promise.all(work);
        test.check.equal(
          await exportContent(transport),
          before,
          `round ${round}: the export after all calls have ended`,
        );
        const ids = new Set(before.flatMap((one) => (one.kind === 'message' ? [one.message.message.id] : [])));
        const done = new Set(acked);
        test.check.equal(
          stored.filter((id) => !ids.has(id) && !done.has(id)),
          [],
          'acknowledged, and not in the export',
        );
        test.check.equal(
          acked.filter((id) => ids.has(id)),
          [],
          'acked, and in the export',
        );
        await openGate(test);
        await transport.admin.purge('work', { state: 'ready' });
      }
    },
  },
  {
    id: 'J30',
    title: 'a process that is stopped before the store closes and wakes afterwards has no call acknowledged',
    rules: ['RA8', 'RD1'],
    harnessFeatures: ['processes'],
    timeoutMs: 60_000,
    async run(test, transport) {
      await test.send(transport, 'held', test.messages(1));
      const [producer, consumer] = [await test.process(), await test.process()];
      const [held] = await consumer.receive('held', { waitMs: 5_000 });
      const load = await producer.produce('work', { prefix: 'm', batch: 3 });
      await test.until('the producer at work', () => load.sent.length >= 30);
      await freezeProcess(producer, transport);
      await freezeProcess(consumer, transport);
      const late = [
        consumer.settle([{ receipt: held?.receipt ?? '', action: 'ack' }]),
        consumer.send('work', test.messages(1, { id: 'late' })),
        consumer.publish('news', test.messages(1)),
        consumer.put('key', 'late'),
        consumer.receive('held'),
      ];
      await setGate(test, transport, 'closed', { ttlMs: LONG_MS });
      const before = await exportContent(transport);
      producer.resume();
      consumer.resume();
      for (const call of late) await test.check.rejects(call, 'CONFLICT', 'a call of the process that wakes');
      const error = await test.check.rejects(load.over, 'CONFLICT', 'the sends of the process that wakes');
      test.check.equal(error.outcome, 'failed', 'their outcome');
      test.check.equal(await exportContent(transport), before, 'the export after both processes have ended');
      const ids = new Set(before.flatMap((one) => (one.kind === 'message' ? [one.message.message.id] : [])));
      test.check.equal(
        load.sentBeforeFailure.filter((id) => !ids.has(id)),
        [],
        'acknowledged, and not in the export',
      );
    },
  },
  {
    id: 'J31',
    title: 'subscriptions and watches read a closed store to its end, and go on when it opens',
    rules: ['RA8', 'RT1', 'RE2'],
    async run(test, transport) {
      const other = await test.open();
      const live = await follow(test, other, 'news.*');
      await publishTexts(test, transport, 'news.a', 3, 'a');
      await transport.kv.put('first', body);
      await setGate(test, transport, 'closed', { ttlMs: LONG_MS });
      await live.has(['a0', 'a1', 'a2'], 'a live subscription');
      const late = await follow(test, await test.open(), 'news.*', { from: 'start' });
      await late.has(['a0', 'a1', 'a2'], 'a subscription that begins on the closed store');
      const keys: string[] = [];
      const watch = await other.kv.watch('', (changes) => void keys.push(...keysOf(changes)));
      test.defer(() => watch.close());
      await test.until('the watch to have the entry', () => keys.includes('first'));
      await openGate(test);
      await publishTexts(test, transport, 'news.a', 1, 'b');
      await transport.kv.put('second', body);
      for (const log of [live, late]) await log.has(['a0', 'a1', 'a2', 'b0'], 'after the store has opened');
      await test.until('the watch to have the next entry', () => keys.includes('second'));
      test.check.equal(keys, ['first', 'second'], 'watched keys');
    },
  },
  {
    id: 'J32',
    title: 'agents over a closed store get CONFLICT and work again when it opens',
    rules: ['RA8', 'RA2'],
    async run(test, transport) {
      const errors: BusbarError[] = [];
      const bus = await test.bus({ onError: ({ error }) => void errors.push(error) });
      const [worker, sender] = [await bus.agent('@worker'), await (await test.bus()).agent('@sender')];
      const handled: unknown[] = [];
      worker.handle('note', ({ body: note }) => void handled.push(note));
      await sender.send('@worker', 'note', 'before');
      await test.until('the first note', () => handled.length === 1);
      await setGate(test, transport, 'closed', { ttlMs: LONG_MS });
      await test.check.rejects(sender.send('@worker', 'note', 'meanwhile'), 'CONFLICT', 'a message to a closed store');
      await test.until('the worker reports it', () => errors.some(({ code }) => code === 'CONFLICT'), 15_000);
      await openGate(test);
      await sender.send('@worker', 'note', 'after');
      await test.until('the last note', () => handled.length === 2, 15_000);
      test.check.equal(handled, ['before', 'after'], 'handled notes');
    },
  },
]);

/** One ready, one delayed, one dead and two held messages, an event with a binding, and an entry. */
async function fill(test: TestContext, transport: Transport): Promise<{ held: readonly Delivery[] }> {
  await transport.topics.bind('inbox', 'news');
  await test.send(transport, 'inbox', test.messages(1, { priority: 9 }, 'poison'));
  await settle(test, transport, [await receiveOne(test, transport, 'inbox')], { action: 'reject' });
  await test.send(transport, 'inbox', test.messages(2));
  const held = await test.receive(transport, 'inbox', 2);
  await test.send(transport, 'inbox', test.messages(1, { id: 'delayed', delayMs: LONG_MS }));
  await publishTexts(test, transport, 'news', 1);
  await transport.kv.put('key', body);
  return { held };
}

/** Every call that changes a store. */
function writesOf(
  { queues, topics, kv, admin, capabilities }: Transport,
  held: readonly Delivery[],
): [what: string, call: () => Promise<unknown>][] {
  const settleAll = (action: 'ack' | 'retry' | 'reject' | 'release' | 'extend') => () =>
    queues.settle(held.map(({ receipt }) => ({ receipt, action })));
  const writes: [string, () => Promise<unknown>][] = [
    ['queues.send', () => queues.send('inbox', [{ body }])],
    ['queues.send to a new queue', () => queues.send('new', [{ body }])],
    ['queues.receive', () => queues.receive('inbox')],
    ['queues.receive that waits', () => queues.receive('inbox', { waitMs: 5_000 })],
    ['queues.configure', () => queues.configure('inbox', { leaseMs: 50 })],
    ['topics.publish', () => topics.publish('news', [{ body }])],
    ['topics.bind', () => topics.bind('inbox', 'other')],
    ['topics.unbind', () => topics.unbind('inbox', 'news')],
    ['kv.put', () => kv.put('key', Uint8Array.of(2))],
    ['kv.put of a new key', () => kv.put('new', body, { ifRevision: 0 })],
    ['kv.touch', () => kv.touch([{ key: 'key', ttlMs: 1 }])],
    ['kv.delete', () => kv.delete('key')],
    ['admin.redrive', () => admin.redrive('inbox')],
    ['admin.purge of ready messages', () => admin.purge('inbox', { state: 'ready' })],
    ['admin.purge of dead letters', () => admin.purge('inbox', { state: 'dead' })],
    ['admin.deleteQueue', () => admin.deleteQueue('inbox')],
    ['admin.clear', () => admin.clear()],
    ['admin.importState', () => admin.importState([{ kind: 'dedupe', queue: 'inbox', id: 'x', leftMs: 60_000 }])],
  ];
  for (const action of ['ack', 'retry', 'reject', 'release', 'extend'] as const)
    writes.push([`queues.settle with ${action}`, settleAll(action)]);
  const entry = { key: 'new', value: body };
  const settleWithEntries = () => queues.settle(held.map(({ receipt }) => ({ receipt, action: 'ack', entry })));
  writes.push(['queues.settle with entries', settleWithEntries]);
  if (!capabilities.features.cancel) return writes;
  return [
    ...writes,
    ['admin.cancel', () => admin.cancel('inbox', ['delayed'])],
    ['admin.reschedule', () => admin.reschedule('inbox', ['delayed'], 0)],
  ];
}

/** Sends, receives and acks until the store is closed. Every call ends: done, or refused without effect. */
async function workUntilClosed(
  test: TestContext,
  client: Transport,
  name: string,
  stored: string[],
  acked: string[],
): Promise<void> {
  const untilRefused = async (work: (round: number) => Promise<unknown>): Promise<void> => {
    for (let round = 0; ; round += 1) {
      await work(round);
      // A store in this process answers without a turn of the event loop.
      await new Promise(setImmediate);
    }
  };
  const send = async (round: number): Promise<void> => {
    const messages: MessageInput[] = [0, 1, 2].map((index) => ({ id: `${name}-${round}-${index}`, body }));
    const results = await client.queues.send('work', messages);
    stored.push(...results.filter(({ status }) => status === 'stored').map(({ id }) => id));
  };
  const ack = async (): Promise<void> => {
    const got = await client.queues.receive('work', { max: 2, waitMs: 10_000 });
    const results = await client.queues.settle(got.map(({ receipt }) => ({ receipt, action: 'ack' })));
    acked.push(...got.filter((_, index) => results[index]?.status === 'done').map(({ id }) => id));
  };
  const works = [
    send,
    ack,
    (round: number) => client.topics.publish('news.x', [{ id: `${name}-${round}`, body }]),
    (round: number) => client.kv.put(`key-${name}`, Uint8Array.of(round % 256)),
  ];
  await Promise.all(works.map((work) => assertClosed(test, untilRefused(work), `the work of ${name}`)));
}

function expiredOf(changes: readonly KvChange[]): string[] {
  return changes.flatMap((change) => (change.kind === 'expired' || change.kind === 'deleted' ? [change.key] : []));
}

function keysOf(changes: readonly KvChange[]): string[] {
  return changes.flatMap((change) => (change.kind === 'put' ? [change.entry.key] : []));
}

/** What is left of the first dedupe window. */
function dedupeLeft(records: readonly StateRecord[]): number {
  return records.flatMap((record) => (record.kind === 'dedupe' ? [record.leftMs] : []))[0] ?? Number.NaN;
}

function sorted(records: readonly StateRecord[]): string[] {
  return records.map((record) => JSON.stringify(record)).toSorted();
}
