/** Backpressure: receives, buffers and queues are bounded, and every refusal is explicit. */

import { isBusbarError } from '@busbar/api';
import type { KvChange, SendResult, Transport } from '@busbar/api/transport';
import type { ConformanceCase } from '../case.ts';
import type { Lab } from '../context/test-context.ts';
import { consume, idsOf, onceEach, texts } from '../steps/consuming.ts';
import { follow, publish, publishTexts } from '../steps/event-log.ts';
import { holds, queueInfo } from '../steps/queue-view.ts';

const group = 'Backpressure';
/** More than any bounded buffer holds. */
const FLOOD = 30_000;

export const cases: readonly ConformanceCase[] = [
  {
    id: 'B1',
    group,
    title: 'no client receives or leases more than it requested',
    level: 'MUST',
    rules: ['RQ8', 'RT1'],
    smoke: true,
    async run(lab) {
      const [transport, sender] = [await lab.transport(), await lab.open()];
      const waits = [1, 2, 3].map((max) => transport.queues.receive('inbox', { max, waitMs: 10_000 }));
      await lab.send(sender, 'inbox', lab.messages(50));
      const got = await Promise.all(waits);
      for (const [index, batch] of got.entries())
        lab.check.between(batch.length, 1, index + 1, 'messages of a pending receive');
      await holds(lab, transport, 'inbox', { leased: got.flat().length, ready: 50 - got.flat().length });
      const more = await transport.queues.receive('inbox', { max: 7 });
      lab.check.between(more.length, 1, 7, 'messages of a receive with max 7');
      await holds(lab, transport, 'inbox', { leased: got.flat().length + more.length });
      let atWork = 0;
      const sizes: number[] = [];
      await transport.topics.subscribe('news', { max: 4 }, async (events) => {
        atWork += 1;
        sizes.push(atWork === 1 ? events.length : Number.NaN);
        await new Promise(setImmediate);
        atWork -= 1;
      });
      await publish(lab, sender, 'news', lab.messages(50));
      await lab.until('all events', () => sum(sizes) === 50 || sizes.some((size) => !(size <= 4)));
      for (const size of sizes) lab.check.between(size, 1, 4, 'a batch of at most 4, one at a time');
    },
  },
  {
    id: 'B2',
    group,
    title: 'each kind of overflow acts as declared: the log keeps, ephemeral drops and counts, a watch merges',
    level: 'MUST',
    rules: ['RT4', 'RE2'],
    timeoutMs: 30_000,
    async run(lab) {
      const [publisher, client] = [await lab.transport(), await lab.open()];
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
      const log = await follow(lab, client, 'kept', { from: 'start' });
      const kept = await publishTexts(lab, publisher, 'kept', 500);
      await flood(publisher, 'flood');
      for (let turn = 1; turn <= 200; turn += 1) await publisher.kv.put('key', Buffer.from(`v${turn}`));
      gate.resolve();
      await log.has(kept, 'events kept by the log');
      await lab.until('the end of the flood', () => handled + flooded.dropped === FLOOD, 10_000);
      lab.check.between(handled, 1, FLOOD - 1, `ephemeral events handled, ${flooded.dropped} dropped`);
      await lab.until('the newest value', () => valuesOf(watched).includes('v200'));
      lab.check.between(valuesOf(watched).length, 1, 20, 'changes of one key that a slow watcher got');
      lab.check.equal(valuesOf(watched).at(-1), 'v200', 'the last of them');
    },
  },
  {
    id: 'B3',
    group,
    title: 'pending receives are the credit: messages beyond them stay available to others',
    level: 'MUST',
    rules: ['RQ8', 'RQ2'],
    async run(lab) {
      const [transport, other] = [await lab.transport(), await lab.open()];
      const receive = () => transport.queues.receive('inbox', { waitMs: 10_000 });
      const window = [receive(), receive(), receive(), receive()];
      const sent = await lab.send(other, 'inbox', lab.messages(12));
      const held = (await Promise.all(window)).flat();
      lab.recorder.add(held);
      lab.check.equal(held.length, 4, 'deliveries to four waiting receives');
      await holds(lab, transport, 'inbox', { leased: 4, ready: 8 });
      const next = receive();
      const [fifth] = await next;
      lab.recorder.add(await next);
      await lab.ack(transport, fifth ? [...held, fifth] : held);
      await holds(lab, transport, 'inbox', { leased: 0, ready: 7 });
      await consume(lab, other, 'inbox', 7);
      onceEach(lab, idsOf(sent));
    },
  },
  {
    id: 'B4',
    group,
    title: 'a full queue refuses what exceeds its limit, counts all its messages, and drops none',
    level: 'MUST',
    rules: ['RQ10', 'RD2'],
    shows: ['exactLimit'],
    smoke: true,
    async run(lab) {
      const transport = await lab.transport();
      await transport.queues.configure('inbox', { maxLength: 10 });
      const before = await lab.send(transport, 'inbox', [
        ...lab.messages(3),
        ...lab.messages(3, { delayMs: 200 }, 'd'),
      ]);
      await lab.receive(transport, 'inbox', 2);
      const clients = await Promise.all([lab.open(), lab.open(), lab.open()]);
      const races = [transport, ...clients].map((client, index) =>
        client.queues.send('inbox', lab.messages(5, {}, `${index}.`)),
      );
      const results = (await Promise.all(races)).flat();
      const stored = results.filter(({ status }) => status === 'stored');
      const most = lab.capabilities.features.exactLimit ? 4 : 4 + 4 * 5;
      lab.check.between(stored.length, 4, most, 'stored where four fit');
      judgeRefused(lab, results);
      await holds(lab, transport, 'inbox', { leased: 2 });
      await drainAll(lab, transport, [...before, ...stored]);
      await lab.send(transport, 'inbox', lab.messages(10, {}, 'again'));
      await bindsSendsOnly(lab, transport);
    },
  },
  {
    id: 'B6',
    group,
    title: 'pausing and resuming loses nothing, repeats nothing and counts no attempt',
    level: 'MUST',
    rules: ['RQ8', 'RQ2', 'RT1'],
    async run(lab) {
      const [consumer, sender] = [await lab.transport(), await lab.open()];
      const gates = Array.from({ length: 5 }, () => Promise.withResolvers<void>());
      const events: string[] = [];
      await consumer.topics.subscribe('news', { max: 20 }, async (batch) => {
        events.push(...texts(lab, batch));
        await gates[Math.floor(events.length / 50)]?.promise;
      });
      const sent: SendResult[] = [];
      const published: string[] = [];
      for (let round = 0; round < 40; round += 1) {
        const pause = new AbortController();
        const taking = takeUntil(lab, consumer, pause.signal);
        const sending = lab.send(sender, 'inbox', lab.messages(5, {}, `${round}.`));
        if (round % 2 === 0) await sending;
        pause.abort();
        sent.push(...(await sending));
        await taking;
        published.push(...(await publishTexts(lab, sender, 'news', 6, `${round}.`)));
        gates[Math.floor(round / 8)]?.resolve();
      }
      await consumeRest(lab, consumer, sent);
      await lab.until('all events', () => events.length >= published.length);
      lab.check.equal(events, published, 'events over five pauses');
    },
  },
  {
    id: 'B7',
    group,
    title: 'an oversized message is refused at the sender together with its whole batch',
    level: 'MUST',
    rules: ['RA5', 'RD2'],
    smoke: true,
    async run(lab) {
      const transport = await lab.transport();
      const { queues, topics, kv, capabilities } = transport;
      const over = { body: new Uint8Array(capabilities.maxBodyBytes + 1) };
      const small = lab.messages(2, {}, 'beside');
      const sends = [
        () => queues.send('inbox', [over]),
        () => queues.send('inbox', [...small, over]),
        () => topics.publish('news', [over, ...small]),
        () => topics.publish('news', [over], { ephemeral: true }),
        () => kv.put('key', new Uint8Array(65_537)),
      ];
      const log = await follow(lab, transport, 'news');
      for (const [index, send] of sends.entries()) {
        const error = await lab.check.rejects(send, 'PAYLOAD_TOO_LARGE', `over the limit, call ${index}`);
        lab.check.equal([error.outcome, error.retryable], ['failed', false], 'outcome and retryable');
      }
      lab.check.equal(await transport.admin.queues(), [], 'queues that refused sends have made');
      lab.check.equal(await kv.get('key'), undefined, 'the entry');
      await lab.send(transport, 'inbox', lab.messages(1));
      await publish(lab, transport, 'news', lab.messages(1));
      await log.has(['m0'], 'events');
      await consume(lab, transport, 'inbox', 1);
      await lab.nothing(transport, 'inbox', 50);
    },
  },
];

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
function judgeRefused(lab: Lab, results: readonly SendResult[]): void {
  for (const { status, error } of results.filter((result) => result.status !== 'stored')) {
    lab.check.equal(status, 'failed', 'status of a message that did not fit');
    const { code, retryable, outcome } = error ?? {};
    lab.check.equal([code, retryable, outcome], ['BACKPRESSURE', true, 'failed'], 'its error');
  }
}

/** An event enters a bound queue even if that is full or frozen. */
async function bindsSendsOnly(lab: Lab, transport: Transport): Promise<void> {
  await transport.queues.configure('bound', { maxLength: 1, frozen: true });
  await transport.topics.bind('bound', 'news');
  await publishTexts(lab, transport, 'news', 3);
  await lab.check.rejects(transport.queues.send('bound', lab.messages(1)), 'CONFLICT', 'a send to a frozen queue');
  await transport.queues.configure('bound', { frozen: false });
  const [late] = await transport.queues.send('bound', lab.messages(1));
  lab.check.equal(late?.error?.code, 'BACKPRESSURE', 'a send to a queue that events have overfilled');
  lab.check.equal(texts(lab, await consume(lab, transport, 'bound', 3)), ['m0', 'm1', 'm2'], 'events in a full queue');
}

/** Acks the leased messages by receipt and the others as delivered, and asserts that none is missing. */
async function drainAll(lab: Lab, transport: Transport, stored: readonly SendResult[]): Promise<void> {
  const known = lab.recorder.all.map(({ receipt }) => ({ receipt, action: 'ack' as const }));
  const results = await transport.queues.settle(known);
  lab.check.ok(
    results.every(({ status }) => status === 'done'),
    'leased messages are acked',
  );
  await consume(lab, transport, 'inbox', stored.length - known.length);
  await holds(lab, transport, 'inbox', { ready: 0, delayed: 0, leased: 0, dead: 0 });
  onceEach(lab, idsOf(stored));
}

/** Receives and acks a few messages unless `pause` fires first. */
async function takeUntil(lab: Lab, transport: Transport, pause: AbortSignal): Promise<void> {
  const wait = transport.queues.receive('inbox', { max: 3, waitMs: 10_000, signal: pause });
  const got = await wait.catch((error: unknown) => {
    if (isBusbarError(error) && error.code === 'ABORTED') return [];
    throw error;
  });
  lab.recorder.add(got);
  await lab.ack(transport, got);
}

async function consumeRest(lab: Lab, transport: Transport, sent: readonly SendResult[]): Promise<void> {
  await lab.until('a late claim is released', async () => {
    return (await queueInfo(transport, 'inbox')).leased === 0;
  });
  await consume(lab, transport, 'inbox', sent.length - lab.recorder.all.length);
  onceEach(lab, idsOf(sent));
  lab.check.ok(
    lab.recorder.all.every(({ attempt }) => attempt === 1),
    'no attempt was counted',
  );
}
