/** Backpressure: receives, buffers and queues are bounded, and every refusal is explicit. */

import { isBusbarError } from '@busbar/api';
import type { KvChange, SendResult, Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import { assertDeliveredOnce, consume, idsOf, texts } from '../steps/consuming.ts';
import { follow, publish, publishTexts } from '../steps/event-log.ts';
import { assertCounts, queueInfo } from '../steps/queue-view.ts';

/** More than any bounded buffer holds. */
const FLOOD = 30_000;

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Backpressure' }, [
  {
    id: 'B1',
    title: 'no client receives or leases more than it requested',
    rules: ['RQ8', 'RT1'],
    smoke: true,
    async run(test) {
      const [transport, sender] = [await test.transport(), await test.open()];
      const waits = [1, 2, 3].map((max) => transport.queues.receive('inbox', { max, waitMs: 10_000 }));
      await test.send(sender, 'inbox', test.messages(50));
      const got = await Promise.all(waits);
      for (const [index, batch] of got.entries())
        test.check.between(batch.length, 1, index + 1, 'messages of a pending receive');
      await assertCounts(test, transport, 'inbox', { leased: got.flat().length, ready: 50 - got.flat().length });
      const more = await transport.queues.receive('inbox', { max: 7 });
      test.check.between(more.length, 1, 7, 'messages of a receive with max 7');
      await assertCounts(test, transport, 'inbox', { leased: got.flat().length + more.length });
      let atWork = 0;
      const sizes: number[] = [];
      await transport.topics.subscribe('news', { max: 4 }, async (events) => {
        atWork += 1;
        sizes.push(atWork === 1 ? events.length : Number.NaN);
        await new Promise(setImmediate);
        atWork -= 1;
      });
      await publish(test, sender, 'news', test.messages(50));
      await test.until('all events', () => sum(sizes) === 50 || sizes.some((size) => !(size <= 4)));
      for (const size of sizes) test.check.between(size, 1, 4, 'a batch of at most 4, one at a time');
    },
  },
  {
    id: 'B2',
    title: 'each kind of overflow acts as declared: the log keeps, ephemeral drops and counts, a watch merges',
    rules: ['RT4', 'RE2'],
    timeoutMs: 30_000,
    async run(test) {
      const [publisher, client] = [await test.transport(), await test.open()];
      const gate = Promise.withResolvers<void>();
      const watched: KvChange[] = [];
      await client.kv.watch('key', async (changes) => {
        watched.push(...changes);
        await gate.promise;
      });
      let handled = 0;
      const flooded = await client.topics.subscribe('flood', {}, async (events) => {
        await gate.promise;
        handled += events.length;
      });
      const log = await follow(test, client, 'kept', { from: 'start' });
      const kept = await publishTexts(test, publisher, 'kept', 500);
      await flood(publisher, 'flood');
      for (let turn = 1; turn <= 200; turn += 1) await publisher.kv.put('key', Buffer.from(`v${turn}`));
      gate.resolve();
      await log.has(kept, 'events kept by the log');
      await test.until('the end of the messages', () => handled + flooded.dropped === FLOOD, 10_000);
      test.check.between(handled, 1, FLOOD - 1, `ephemeral events handled, ${flooded.dropped} dropped`);
      await test.until('the newest value', () => valuesOf(watched).includes('v200'));
      test.check.between(valuesOf(watched).length, 1, 20, 'changes of one key seen by a slow watcher');
      test.check.equal(valuesOf(watched).at(-1), 'v200', 'the last one');
    },
  },
  {
    id: 'B3',
    title: 'pending receives are the credit: messages beyond them stay available to others',
    rules: ['RQ8', 'RQ2'],
    async run(test) {
      const [transport, other] = [await test.transport(), await test.open()];
      const receive = () => transport.queues.receive('inbox', { waitMs: 10_000 });
      const window = [receive(), receive(), receive(), receive()];
      const sent = await test.send(other, 'inbox', test.messages(12));
      const held = (await Promise.all(window)).flat();
      test.recorder.add(held);
      test.check.equal(held.length, 4, 'deliveries to four waiting receives');
      await assertCounts(test, transport, 'inbox', { leased: 4, ready: 8 });
      const next = receive();
      const [fifth] = await next;
      test.recorder.add(await next);
      await test.ack(transport, fifth ? [...held, fifth] : held);
      await assertCounts(test, transport, 'inbox', { leased: 0, ready: 7 });
      await consume(test, other, 'inbox', 7);
      assertDeliveredOnce(test, idsOf(sent));
    },
  },
  {
    id: 'B4',
    title: 'a full queue refuses what exceeds its limit, counts all its messages, and drops none',
    rules: ['RQ10', 'RD2'],
    shows: ['exactLimit'],
    smoke: true,
    async run(test, transport) {
      await transport.queues.configure('inbox', { maxLength: 10 });
      const before = await test.send(transport, 'inbox', [
        ...test.messages(3),
        ...test.messages(3, { delayMs: 200 }, 'd'),
      ]);
      await test.receive(transport, 'inbox', 2);
      const clients = await Promise.all([test.open(), test.open(), test.open()]);
      const races = [transport, ...clients].map((client, index) =>
        client.queues.send('inbox', test.messages(5, {}, `${index}.`)),
      );
      const results = (await Promise.all(races)).flat();
      const stored = results.filter(({ status }) => status === 'stored');
      const most = test.capabilities.features.exactLimit ? 4 : 4 + 4 * 5;
      test.check.between(stored.length, 4, most, 'stored with room for four');
      verifyRefused(test, results);
      await assertCounts(test, transport, 'inbox', { leased: 2 });
      await drainAll(test, transport, [...before, ...stored]);
      await test.send(transport, 'inbox', test.messages(10, {}, 'again'));
      await bindsSendsOnly(test, transport);
    },
  },
  {
    id: 'B8',
    title: 'dead letters take no room from the messages of their queue',
    rules: ['RQ10', 'RQ5'],
    async run(test, transport) {
      await transport.queues.configure('inbox', { maxLength: 3 });
      for (let round = 1; round <= 2; round += 1) {
        await test.send(transport, 'inbox', test.messages(3));
        for (const { receipt } of await test.receive(transport, 'inbox', 3)) {
          await transport.queues.settle([{ receipt, action: 'reject' }]);
        }
        await assertCounts(test, transport, 'inbox', { ready: 0, leased: 0, dead: 3 * round });
      }
      await test.send(transport, 'inbox', test.messages(3));
    },
  },
  {
    id: 'B6',
    title: 'pausing and resuming loses nothing, repeats nothing and counts no attempt',
    rules: ['RQ8', 'RQ2', 'RT1'],
    async run(test) {
      const [consumer, sender] = [await test.transport(), await test.open()];
      const gates = Array.from({ length: 5 }, () => Promise.withResolvers<void>());
      const events: string[] = [];
      await consumer.topics.subscribe('news', { max: 20 }, async (batch) => {
        events.push(...texts(test, batch));
        await gates[Math.floor(events.length / 50)]?.promise;
      });
      const sent: SendResult[] = [];
      const published: string[] = [];
      for (let round = 0; round < 40; round += 1) {
        const pause = new AbortController();
        const taking = takeUntil(test, consumer, pause.signal);
        const sending = test.send(sender, 'inbox', test.messages(5, {}, `${round}.`));
        if (round % 2 === 0) await sending;
        pause.abort();
        sent.push(...(await sending));
        await taking;
        published.push(...(await publishTexts(test, sender, 'news', 6, `${round}.`)));
        gates[Math.floor(round / 8)]?.resolve();
      }
      await consumeRest(test, consumer, sent);
      await test.until('all events', () => events.length >= published.length);
      test.check.equal(events, published, 'events over five pauses');
    },
  },
  {
    id: 'B7',
    title: 'an oversized message is refused at the sender together with its whole batch',
    rules: ['RA5', 'RD2'],
    smoke: true,
    async run(test, transport) {
      const { queues, topics, kv, capabilities } = transport;
      const over = { body: new Uint8Array(capabilities.maxBodyBytes + 1) };
      const small = test.messages(2, {}, 'beside');
      const sends = [
        () => queues.send('inbox', [over]),
        () => queues.send('inbox', [...small, over]),
        () => topics.publish('news', [over, ...small]),
        () => topics.publish('news', [over], { ephemeral: true }),
        () => kv.put('key', new Uint8Array(65_537)),
      ];
      const log = await follow(test, transport, 'news');
      for (const [index, send] of sends.entries()) {
        const error = await test.check.rejects(send, 'PAYLOAD_TOO_LARGE', `over the limit, call ${index}`);
        test.check.equal([error.outcome, error.retryable], ['failed', false], 'outcome and retryable');
      }
      test.check.equal(await transport.admin.queues(), [], 'queues created by refused sends');
      test.check.equal(await kv.get('key'), undefined, 'the entry');
      await test.send(transport, 'inbox', test.messages(1));
      await publish(test, transport, 'news', test.messages(1));
      await log.has(['m0'], 'events');
      await consume(test, transport, 'inbox', 1);
      await test.nothing(transport, 'inbox', 50);
    },
  },
  {
    id: 'B9',
    title: 'a paused queue gives out nothing: receives wait until it goes on, and all else goes on meanwhile',
    rules: ['RQ1', 'RQ10'],
    async run(test, transport) {
      const other = await test.open();
      await test.send(transport, 'inbox', test.messages(3));
      const [held] = await test.receive(transport, 'inbox', 1);
      const waiting = other.queues.receive('empty', { waitMs: 20_000 });
      for (const queue of ['inbox', 'empty']) await transport.queues.configure(queue, { paused: true });
      await test.nothing(transport, 'inbox', 50);
      await test.nothing(other, 'inbox', 0);
      await test.ack(transport, held === undefined ? [] : [held]);
      await transport.topics.bind('empty', 'news');
      await test.send(transport, 'empty', test.messages(1, { priority: 9 }, 'sent'));
      await publishTexts(test, transport, 'news', 1, 'event');
      await assertCounts(test, transport, 'inbox', { ready: 2, leased: 0 });
      await assertCounts(test, transport, 'empty', { ready: 2, leased: 0 });
      test.check.equal((await other.admin.browse('inbox')).messages.length, 2, 'browsed messages');
      for (const queue of ['inbox', 'empty']) await other.queues.configure(queue, { paused: false });
      const got = await waiting;
      await test.ack(other, got);
      const rest = await consume(test, other, 'empty', 2 - got.length);
      test.check.equal(texts(test, [...got, ...rest]), ['sent0', 'event0'], 'deliveries of the receive that waits');
      test.check.equal(texts(test, await consume(test, transport, 'inbox', 2)), ['m1', 'm2'], 'deliveries');
    },
  },
]);

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

async function flood(publisher: Transport, topic: string): Promise<void> {
  const batch = Array.from({ length: 1_000 }, () => ({ body: new Uint8Array(100) }));
  for (let sent = 0; sent < FLOOD; sent += batch.length) {
    await publisher.topics.publish(topic, batch, { ephemeral: true });
  }
}

function valuesOf(changes: readonly KvChange[]): string[] {
  return changes.flatMap((change) => (change.kind === 'put' ? [Buffer.from(change.entry.value).toString()] : []));
}

/** Each message that is not stored has a retryable error. */
function verifyRefused(test: TestContext, results: readonly SendResult[]): void {
  for (const { status, error } of results.filter((result) => result.status !== 'stored')) {
    test.check.equal(status, 'failed', 'status of a message that does not fit');
    const { code, retryable, outcome } = error ?? {};
    test.check.equal([code, retryable, outcome], ['BACKPRESSURE', true, 'failed'], 'its error');
  }
}

/** An event enters a bound queue even if that is full or frozen. */
async function bindsSendsOnly(test: TestContext, transport: Transport): Promise<void> {
  await transport.queues.configure('bound', { maxLength: 1, frozen: true });
  await transport.topics.bind('bound', 'news');
  await publishTexts(test, transport, 'news', 3);
  await test.check.rejects(transport.queues.send('bound', test.messages(1)), 'CONFLICT', 'a send to a frozen queue');
  await transport.queues.configure('bound', { frozen: false });
  const [late] = await transport.queues.send('bound', test.messages(1));
  test.check.equal(late?.error?.code, 'BACKPRESSURE', 'a send to a queue overfilled by events');
  const events = texts(test, await consume(test, transport, 'bound', 3));
  test.check.equal(events, ['m0', 'm1', 'm2'], 'events in a full queue');
}

/** Acks the leased messages by receipt and the others as delivered, and asserts that none is missing. */
async function drainAll(test: TestContext, transport: Transport, stored: readonly SendResult[]): Promise<void> {
  const known = test.recorder.all.map(({ receipt }) => ({ receipt, action: 'ack' as const }));
  const results = await transport.queues.settle(known);
  test.check.every(results, ({ status }) => status === 'done', 'leased messages are acked');
  await consume(test, transport, 'inbox', stored.length - known.length);
  await assertCounts(test, transport, 'inbox', { ready: 0, delayed: 0, leased: 0, dead: 0 });
  assertDeliveredOnce(test, idsOf(stored));
}

/** Receives and acks a few messages unless `pause` fires first. */
async function takeUntil(test: TestContext, transport: Transport, pause: AbortSignal): Promise<void> {
  const wait = transport.queues.receive('inbox', { max: 3, waitMs: 10_000, signal: pause });
  const got = await wait.catch((error: unknown) => {
    if (isBusbarError(error) && error.code === 'ABORTED') return [];
    throw error;
  });
  test.recorder.add(got);
  await test.ack(transport, got);
}

async function consumeRest(test: TestContext, transport: Transport, sent: readonly SendResult[]): Promise<void> {
  await test.until('a late claim is released', async () => {
    return (await queueInfo(transport, 'inbox')).leased === 0;
  });
  await consume(test, transport, 'inbox', sent.length - test.recorder.all.length);
  assertDeliveredOnce(test, idsOf(sent));
  test.check.every(test.recorder.all, ({ attempt }) => attempt === 1, 'no attempt was counted');
}
