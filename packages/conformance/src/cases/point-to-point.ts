/** Point-to-point: one sender, one receiver, and names and numbers of mailboxes. */

import {
  type Message,
  type MessageInput,
  QUEUE_DEFAULTS,
  type QueueSettings,
  type Transport,
} from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import {
  assertDeliveredOnce,
  consume,
  idsOf,
  minLifetime,
  ROUNDING_MS,
  receiveOne,
  texts,
  waitUntil,
} from '../steps/consuming.ts';
import { queueInfo } from '../steps/queue-view.ts';
import { fullMessage } from '../steps/values.ts';

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

const MAILBOXES = 10_000;

/** Names that a wrong encoding, a case-insensitive store or a shared separator would confuse. */
const LOOKALIKES = [
  ...['a.b', 'a:b', 'a/b', 'a_b', 'a-b', 'a@b', 'a+b', 'a~b', 'ab', 'A.b', 'a.B', 'A.B', 'a', 'A', 'b', 'a.b.c'],
  ...['a_2Eb', 'a~2Eb', 'a-2Eb', 'a:2eb', 'a+2E+b', 'a_dot_b', 'a//b', 'a.-.b', 'a__b', 'a-_b'],
];

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Point-to-point' }, [
  {
    id: 'P1',
    title: 'every field of a message arrives unchanged, and its body bit for bit',
    rules: ['RQ1', 'RA5'],
    smoke: true,
    async run(test, transport) {
      const sent = fullMessage();
      const before = Date.now();
      await test.send(transport, 'inbox', [sent]);
      const got = await receiveOne(test, await test.open(), 'inbox');
      const fields = Object.keys(sent).filter((name) => name !== 'body' && name !== 'headers');
      for (const field of fields as (keyof Message & keyof MessageInput)[])
        test.check.equal(got[field], sent[field], field);
      test.check.equal(new Uint8Array(got.body), sent.body, 'body');
      test.check.equal({ ...got.headers }, { ...sent.headers }, 'headers');
      test.check.equal([got.queue, got.attempt], ['inbox', 1], 'queue and attempt');
      for (const field of ['topic', 'orderingKey', 'ttlLeftMs'] as const)
        test.check.equal(got[field], undefined, field);
      test.check.between(got.sentAt, before, Date.now(), 'sentAt');
    },
  },
  {
    id: 'P2',
    title: 'a client can send only, and closing it right after a send loses nothing',
    rules: ['RD1', 'RQ1', 'RA3'],
    async run(test, receiver) {
      const sender = await test.open();
      const sends = [
        test.send(sender, 'inbox', test.messages(3, {}, 'a')),
        test.send(sender, 'inbox', test.messages(2, {}, 'b')),
      ];
      const closed = sender.close();
      const results = (await Promise.all(sends)).flat();
      await closed;
      const got = await consume(test, receiver, 'inbox', 5);
      test.check.equal(texts(test, got), ['a0', 'a1', 'a2', 'b0', 'b1'], 'received fields');
      assertDeliveredOnce(test, idsOf(results));
    },
  },
  {
    id: 'P3',
    title: 'a message wakes and reaches only receivers of its own mailbox',
    rules: ['RQ1', 'RQ2'],
    smoke: true,
    async run(test, sender) {
      const others = ['inbox', 'inbox.anna', 'inbox.ann.x', 'inbox.an', 'Inbox.ann'];
      await sender.queues.configure('inbox.anna');
      const silent = await Promise.all(others.map(async (name) => ({ name, client: await test.open() })));
      const silence = Promise.all(silent.map(({ name, client }) => test.nothing(client, name, 150)));
      await Promise.all([silence, test.send(sender, 'inbox.ann', test.messages(3))]);
      const got = await consume(test, sender, 'inbox.ann', 3);
      test.check.equal(texts(test, got), ['m0', 'm1', 'm2'], 'messages of the mailbox');
    },
  },
  {
    id: 'P4',
    title: 'messages sent before any receiver exists are kept, in order',
    rules: ['RQ1', 'RQ4', 'RQ9'],
    smoke: true,
    async run(test, sender) {
      const sent = test.messages(20);
      const began = performance.now();
      for (const message of sent) await test.send(sender, 'not.configured', [message]);
      const receiver = await test.open();
      await waitUntil(test, began + 50);
      const { oldestAgeMs } = await queueInfo(receiver, 'not.configured');
      test.check.between(oldestAgeMs, 1, performance.now() - began + ROUNDING_MS, 'the age of the oldest');
      const got = await consume(test, receiver, 'not.configured', 20, 6);
      test.check.equal(texts(test, got), texts(test, sent), 'kept messages');
      test.check.equal((await queueInfo(receiver, 'not.configured')).oldestAgeMs, 0, 'the age without messages');
      test.check.every(got, ({ attempt }) => attempt === 1, 'a message that waited had its first attempt');
    },
  },
  {
    id: 'P5',
    title: 'a receive waits as long as requested, wakes for the first message, and creates no queue',
    rules: ['RQ8', 'RQ9'],
    smoke: true,
    async run(test, transport) {
      test.check.between(await emptyReceive(test, transport, 0), 0, 4_000, 'an empty receive that does not wait took');
      test.check.between(await emptyReceive(test, transport, 150), 145, 5_000, 'an empty receive of 150 ms took');
      test.check.equal(await transport.admin.queues(), [], 'queues created by naming one');
      const began = performance.now();
      const waiting = transport.queues.receive('inbox', { max: 10, waitMs: 10_000 });
      await test.send(await test.open(), 'inbox', test.messages(1));
      const got = await waiting;
      test.check.equal(texts(test, got), ['m0'], 'messages of the woken receive');
      test.check.between(performance.now() - began, 0, 4_000, 'a woken receive took');
    },
  },
  {
    id: 'P12',
    title: 'a queue that a receive waits for does not expire as idle',
    rules: ['RQ9', 'RQ8'],
    async run(test) {
      const [waiter, sender] = [await test.transport(), await test.open()];
      await sender.queues.configure('idle', { expireIdleMs: 1_000, leaseMs: 60_000 });
      const wait = waiter.queues.receive('idle', { waitMs: 20_000 });
      const isThere = async (): Promise<boolean> => (await queueInfo(sender, 'idle')).settings.leaseMs === 60_000;
      await minLifetime(test, isThere, performance.now() + 8_000);
      await test.send(sender, 'idle', test.messages(1));
      test.check.equal(texts(test, await wait), ['m0'], 'the message of the waiting receive');
    },
  },
  {
    id: 'P13',
    title: 'a queue shows its settings to every client: the defaults, and those that were given, `Infinity` included',
    rules: ['RQ9', 'RA1'],
    async run(test, transport) {
      const other = await test.open();
      const given: Required<QueueSettings> = {
        ...{ leaseMs: 1_234, maxLength: 99, maxAttempts: 7, dedupeMs: 130_000, frozen: true, paused: true },
        ...{ expireIdleMs: 3_600_000, deadTtlMs: 7_200_000 },
      };
      const endless = { expireIdleMs: Number.POSITIVE_INFINITY, deadTtlMs: Number.POSITIVE_INFINITY };
      const shown = async (): Promise<unknown> => (await queueInfo(other, 'own')).settings;
      await transport.queues.configure('own');
      const { maxLength } = (await queueInfo(transport, 'own')).settings;
      test.check.equal(await shown(), { ...QUEUE_DEFAULTS, maxLength }, 'the defaults');
      await transport.queues.configure('own', given);
      test.check.equal(await shown(), given, 'settings that were given');
      await transport.queues.configure('own', endless);
      test.check.equal(await shown(), { ...given, ...endless }, 'settings without a limit');
    },
  },
  {
    id: 'P14',
    title: 'sends and publishes of one turn each reach their own queue and topic, whatever their options',
    rules: ['RQ1', 'RQ4', 'RT1'],
    async run(test, transport) {
      const { queues, topics } = transport;
      const names = ['first', 'second', 'third'];
      for (const name of names) await topics.bind(`of.${name}`, name);
      await queues.configure('second');
      const batches = Array.from({ length: 12 }, (_, index) => {
        const name = names[index % 3] ?? '';
        return { name, messages: test.messages(1, {}, `${name}.${index}.`) };
      });
      const calls = [
        ...batches.map(({ name, messages }) => queues.send(name, messages, { create: name !== 'second' })),
        ...batches.map(({ name, messages }) => topics.publish(name, messages)),
      ];
      const results = (await Promise.all(calls)).flat();
      test.check.every(results, ({ status }) => status === 'stored', 'results');
      for (const [at, name] of names.entries()) {
        const expected = [0, 3, 6, 9].map((index) => `${name}.${index + at}.0`);
        const got = await consume(test, await test.open(), name, 4);
        test.check.equal(texts(test, got), expected, `messages of ${name}`);
        const events = await consume(test, await test.open(), `of.${name}`, 4);
        test.check.equal(texts(test, events), expected, `events of ${name}`);
      }
    },
  },
  {
    id: 'P6',
    title: 'ids and receipts are unique across clients; a given id and the address are kept',
    rules: ['RQ3', 'RQ7'],
    async run(test) {
      const [one, two] = [await test.transport(), await test.open()];
      const batches = [one, two, one, two].map((client) =>
        test.send(client, 'inbox', test.messages(50, { to: '@ann' })),
      );
      const results = (await Promise.all(batches)).flat();
      const [own] = await test.send(one, 'inbox', test.messages(1, { id: 'order/7 é#1' }));
      test.check.equal(own?.id, 'order/7 é#1', 'the id in the result');
      const got = await test.receive(two, 'inbox', 201);
      test.check.equal(new Set(idsOf(got)).size, 201, 'different ids');
      test.check.equal(new Set(got.map(({ receipt }) => receipt)).size, 201, 'different receipts');
      test.check.every(results, ({ id }) => UUID_V7.test(id), 'a generated id is a UUIDv7');
      test.check.every(got, ({ receipt }) => Buffer.byteLength(receipt) <= 512, 'receipts have at most 512 bytes');
      test.check.every(got, ({ queue }) => queue === 'inbox', 'each names its queue');
      assertDeliveredOnce(test, [...idsOf(results), 'order/7 é#1']);
    },
  },
  {
    id: 'P8',
    title: 'messages to an absent receiver are stored exactly once and in order',
    rules: ['RQ1', 'RQ4'],
    async run(test, sender) {
      const first = await test.open();
      const results = await test.send(sender, 'inbox', test.messages(3, {}, 'early'));
      await consume(test, first, 'inbox', 2, 1);
      await first.close();
      for (let batch = 0; batch < 5; batch += 1)
        results.push(...(await test.send(sender, 'inbox', test.messages(10, {}, `${batch}.`))));
      const second = await test.open();
      const got = await consume(test, second, 'inbox', 51, 20);
      const expected = [
        'early2',
        ...Array.from({ length: 50 }, (_, index) => `${Math.floor(index / 10)}.${index % 10}`),
      ];
      test.check.equal(texts(test, got), expected, 'parked messages');
      await test.nothing(second, 'inbox', 100);
      assertDeliveredOnce(test, idsOf(results));
    },
  },
  {
    id: 'P9',
    title: 'a client can send to itself while it waits in a receive',
    rules: ['RQ8'],
    async run(test, transport) {
      const waiting = transport.queues.receive('self', { waitMs: 10_000 });
      const further = transport.queues.receive('self', { waitMs: 10_000 });
      const [sent] = await test.send(transport, 'self', test.messages(1, { from: 'self', to: 'self' }, 'first'));
      const got = await Promise.race([waiting, further]);
      test.recorder.add(got);
      const first = got.map(({ id, from, to }) => [id, from, to]);
      test.check.equal(first, [[sent?.id, 'self', 'self']], 'the first message to itself');
      await test.send(transport, 'self', test.messages(1, {}, 'second'));
      const both = texts(test, (await Promise.all([waiting, further])).flat());
      test.check.equal(both.sort(), ['first0', 'second0'], 'messages of both receives');
    },
  },
  {
    id: 'P7',
    title: 'a send with `create: false` to an unknown queue is NOT_FOUND and leaves nothing behind',
    rules: ['RQ9'],
    smoke: true,
    async run(test, transport) {
      const strict = (): Promise<unknown> => transport.queues.send('no.such', test.messages(2), { create: false });
      const error = await test.check.rejects(strict, 'NOT_FOUND', 'a send to an unknown queue');
      test.check.equal([error.outcome, error.retryable], ['failed', false], 'outcome and retryable');
      test.check.equal(await transport.admin.queues(), [], 'queues after the refused send');
      await test.send(transport, 'no.such', test.messages(1, {}, 'created'));
      await strict();
      const got = await consume(test, transport, 'no.such', 3);
      test.check.equal(texts(test, got), ['created0', 'm0', 'm1'], 'messages of the queue');
      test.check.equal(await transport.admin.deleteQueue('no.such'), true, 'the queue was there');
      await test.check.rejects(strict, 'NOT_FOUND', 'a send to a deleted queue');
      await transport.queues.configure('no.such');
      await strict();
      const configured = texts(test, await consume(test, transport, 'no.such', 2));
      test.check.equal(configured, ['m0', 'm1'], 'messages of a configured queue');
    },
  },
  {
    id: 'P10',
    title: 'names that look alike after escaping or case folding are separate mailboxes',
    rules: ['RA4'],
    smoke: true,
    async run(test, transport) {
      const names = [...new Set(LOOKALIKES)];
      await Promise.all(names.map((name) => test.send(transport, name, [{ id: 'same', body: Buffer.from(name) }])));
      const receiver = await test.open();
      for (const name of names) {
        const got = await receiver.queues.receive(name, { max: 10, waitMs: 2_000 });
        test.check.mapped(got, (one) => [one.queue, test.text(one)], [[name, name]], `messages of ${name}`);
      }
      const listed = (await transport.admin.queues()).map(({ name }) => name);
      test.check.equal(listed.sort(), names.sort(), 'existing queues');
      const blank = transport.queues.send('a ', test.messages(1));
      await test.check.rejects(blank, 'INVALID_ARGUMENT', 'a name with a blank');
    },
  },
  {
    id: 'P11',
    title: 'ten thousand mailboxes each hold their own mail, and ten thousand pending receives each wake for theirs',
    rules: ['RQ8', 'RQ9'],
    timeoutMs: 60_000,
    load: 'alone',
    async run(test, transport) {
      await fill(test, transport);
      test.check.equal(await countQueues(transport, 'box.'), MAILBOXES, 'mailboxes listed');
      for (let index = 0; index < MAILBOXES; index += 331) {
        const got = await transport.queues.receive(`box.${index}`, { max: 5, waitMs: 2_000 });
        test.check.equal(texts(test, got), [`for ${index}`], `mail in mailbox ${index}`);
      }
      test.check.equal((await queueInfo(transport, 'box.1')).ready, 1, 'mail in an unused mailbox');
      await wakeSome(test, transport);
    },
  },
]);

async function emptyReceive(test: TestContext, transport: Transport, waitMs: number): Promise<number> {
  const began = performance.now();
  test.check.equal(await transport.queues.receive('never.sent', { max: 5, waitMs }), [], 'an empty receive');
  return performance.now() - began;
}

async function fill(test: TestContext, transport: Transport): Promise<void> {
  for (let from = 0; from < MAILBOXES; from += 1_000) {
    const sends = Array.from({ length: 1_000 }, (_, step) =>
      transport.queues.send(`box.${from + step}`, [{ body: Buffer.from(`for ${from + step}`) }]),
    );
    const statuses = (await Promise.all(sends)).map(([result]) => result?.status);
    test.check.every(statuses, (status) => status === 'stored', 'every send is stored');
  }
}

async function countQueues(transport: Transport, prefix: string): Promise<number> {
  let count = 0;
  let after: string | undefined;
  do {
    const page = await transport.admin.queues({ prefix, ...(after !== undefined && { after }) });
    count += page.length;
    after = page.at(-1)?.name;
  } while (after !== undefined);
  return count;
}

/** Waits on ten thousand other mailboxes and wakes a few of them. */
async function wakeSome(test: TestContext, transport: Transport): Promise<void> {
  const enough = new AbortController();
  const waits = Array.from({ length: MAILBOXES }, (_, index) =>
    transport.queues
      .receive(`idle.${index}`, { waitMs: Number.POSITIVE_INFINITY, signal: enough.signal })
      .catch(() => []),
  );
  const sender = await test.open();
  for (let index = 7; index < MAILBOXES; index += 997) {
    await test.send(sender, `idle.${index}`, [{ body: Buffer.from(`wake ${index}`) }]);
    const got = (await waits[index]) ?? [];
    test.check.equal(texts(test, got), [`wake ${index}`], `messages of mailbox ${index}`);
  }
  enough.abort();
  const woken = (await Promise.all(waits)).filter((got) => got.length > 0);
  test.check.equal(woken.length, Math.ceil((MAILBOXES - 7) / 997), 'woken waits');
}
