/** Dead letters: causes, content and redrive. */

import type { Delivery, Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import { consume, fieldsOf, idsOf, ROUNDING_MS, receiveOne, settle, texts, waitUntil } from '../steps/consuming.ts';
import { assertCounts, deadLetters, queueInfo } from '../steps/queue-view.ts';

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Dead letters' }, [
  {
    id: 'D1',
    title: "a message becomes a dead letter after its last attempt; its own limit counts, else the queue's, else 5",
    rules: ['RQ5'],
    smoke: true,
    async run(test, transport) {
      await transport.queues.configure('two', { maxAttempts: 2 });
      const wanted: readonly (readonly [string, number, number | undefined])[] = [
        ['plain', 5, undefined],
        ['two', 2, undefined],
        ['two', 3, 3],
        ['plain', 1, 1],
      ];
      for (const [queue, attempts, maxAttempts] of wanted) {
        await test.send(transport, queue, test.messages(1, maxAttempts === undefined ? {} : { maxAttempts }));
        for (let attempt = 1; attempt <= attempts; attempt += 1) {
          const delivery = await receiveOne(test, transport, queue);
          test.check.equal(delivery.attempt, attempt, `attempt of ${attempts}`);
          await settle(test, transport, [delivery], { action: 'retry', reason: `failure ${attempt}` });
        }
        await test.nothing(transport, queue, 30);
        await assertLast(test, transport, queue, attempts);
      }
    },
  },
  {
    id: 'D3',
    title: 'a dead letter keeps the whole message and, for each attempt, the consumer, time, outcome and reason',
    rules: ['RQ5'],
    smoke: true,
    async run(test, transport) {
      await transport.queues.configure('work', { leaseMs: 1_000 });
      const fields = { headers: { trace: 'ä' }, type: 'order', from: '@a', to: '@b', priority: 7, correlationId: 'c' };
      const more = { contentType: 'text/plain', causationId: 'cause', hops: 2, replyTo: 'replies' };
      await test.send(transport, 'work', [{ ...fields, ...more, id: 'dead-1', body: Uint8Array.of(0, 255, 7) }]);
      const before = Date.now();
      const [first] = await transport.queues.receive('work', { consumer: 'worker one', waitMs: 5_000 });
      if (first !== undefined) await settle(test, transport, [first], { action: 'retry', reason: 'Zeit über 日本' });
      await transport.queues.receive('work', { consumer: 'worker two', waitMs: 5_000 });
      const [last] = await transport.queues.receive('work', { consumer: 'worker three', waitMs: 5_000 });
      if (last !== undefined) await settle(test, transport, [last], { action: 'reject', reason: 'unreadable' });
      const [letter] = await deadLetters(test, transport, 'work', 1);
      const { body, headers, ...rest } = letter?.message ?? { body: new Uint8Array(), headers: {} };
      test.check.equal(
        [new Uint8Array(body), { ...headers }],
        [Uint8Array.of(0, 255, 7), fields.headers],
        'body, headers',
      );
      const kept = Object.fromEntries(Object.entries(rest).filter(([name]) => name in fields || name in more));
      test.check.equal({ ...kept, headers: fields.headers }, { ...fields, ...more }, 'fields of the message');
      assertHistory(test, letter, before);
      await keepsTheLast(test, transport);
    },
  },
  {
    id: 'D4',
    title: 'redrive puts dead letters back into their queue: by id or all, oldest first, up to a limit',
    rules: ['RQ5', 'RQ7'],
    smoke: true,
    async run(test) {
      const [transport, operator] = [await test.transport(), await test.open()];
      const ids = await bury(test, transport, 10);
      const named = [ids[7], ids[2], 'no-such-id'].filter((id) => id !== undefined);
      const waiting = consume(test, transport, 'work', 2);
      test.check.equal(await operator.admin.redrive('work', { ids: named }), 2, 'redriven by id');
      test.check.equal(idsOf(await waiting).sort(), [ids[2], ids[7]].sort(), 'by id');
      test.check.equal(await operator.admin.redrive('work', { limit: 3 }), 3, 'redriven up to a limit');
      const oldest = idsOf(await consume(test, transport, 'work', 3));
      test.check.equal(oldest.sort(), [ids[0], ids[1], ids[3]].sort(), 'the oldest');
      test.check.equal(await operator.admin.redrive('work'), 5, 'redriven at last');
      const rest = await consume(test, transport, 'work', 5);
      test.check.equal(texts(test, rest).sort(), ['m4', 'm5', 'm6', 'm8', 'm9'], 'the rest, with their bodies');
      test.check.equal(await operator.admin.redrive('work'), 0, 'redriven without dead letters left');
      await assertCounts(test, transport, 'work', { ready: 0, leased: 0, dead: 0 });
    },
  },
  {
    id: 'D5',
    title: 'dead letters are listed in pages, oldest first, and purged by id or all',
    rules: ['RQ5'],
    async run(test, transport) {
      const ids = await bury(test, transport, 25);
      await test.send(transport, 'work', test.messages(3, {}, 'alive'));
      const pages = await browseDead(transport, 10);
      test.check.mapped(pages, (page) => page.length, [10, 10, 5], 'sizes of the pages');
      test.check.equal(pages.flat(), ids, 'dead letters in order');
      const some = await transport.admin.browse('work', { state: 'dead', ids: ids.slice(3, 5) });
      const found = idsOf(some.messages.map(({ message }) => message)).sort();
      test.check.equal(found, ids.slice(3, 5).sort(), 'looked at by id');
      const first = await transport.admin.browse('work', { state: 'dead', limit: 5 });
      const purged = await transport.admin.purge('work', { state: 'dead', ids: ids.slice(0, 5) });
      test.check.equal(purged, 5, 'discarded by id');
      test.check.equal((await browseDead(transport, 100)).flat(), ids.slice(5), 'remaining messages');
      await transport.admin.purge('work', { state: 'dead', ids: ids.slice(6, 7) });
      const page = { state: 'dead', limit: 3, ...(first.next !== undefined && { after: first.next }) } as const;
      const { messages } = await transport.admin.browse('work', page);
      const further = [ids[5], ids[7], ids[8]];
      test.check.equal(messages.map(({ message }) => message.id) as unknown[], further, 'after a removed page');
      test.check.equal(await transport.admin.purge('work', { state: 'dead' }), 19, 'discarded at last');
      await assertCounts(test, transport, 'work', { ready: 3, dead: 0 });
      const alive = await consume(test, transport, 'work', 3);
      test.check.equal(texts(test, alive), ['alive0', 'alive1', 'alive2'], 'live messages');
    },
  },
  {
    id: 'D11',
    title: 'a purge removes messages of its state only, by id or all, also those that wait for their ordering key',
    rules: ['RQ5', 'RQ4'],
    async run(test, transport) {
      const dead = await bury(test, transport, 2);
      await test.send(transport, 'work', test.messages(1, { id: 'leased' }));
      await test.receive(transport, 'work', 1);
      for (const id of ['ready-0', 'ready-1']) await test.send(transport, 'work', test.messages(1, { id }));
      const delayed = { delayMs: 3_600_000 };
      for (const id of ['delayed-0', 'delayed-1'])
        await test.send(transport, 'work', test.messages(1, { id, ...delayed }));
      const ids = ['leased', 'ready-0', 'delayed-0', ...dead.slice(0, 1)];
      for (const state of ['ready', 'delayed', 'dead'] as const) {
        test.check.equal(await transport.admin.purge('work', { state, ids }), 1, `${state} messages purged by id`);
      }
      await assertCounts(test, transport, 'work', { ready: 1, delayed: 1, leased: 1, dead: 1 });
      const keyed = test.capabilities.features.orderingKeys ? 3 : 0;
      const sent = await test.send(transport, 'work', test.messages(keyed, { orderingKey: 'k' }));
      const waiting = idsOf(sent.slice(1, 2));
      const purged = [
        await transport.admin.purge('work', { state: 'ready', ids: ['none', ...waiting] }),
        await transport.admin.purge('work', { state: 'ready' }),
      ];
      test.check.equal(purged, [waiting.length, 1 + keyed - waiting.length], 'ready messages purged');
      await assertCounts(test, transport, 'work', { ready: 0, delayed: 1, leased: 1, dead: 1 });
      test.check.equal(await transport.admin.purge('work', { state: 'delayed' }), 1, 'delayed messages purged');
      await assertCounts(test, transport, 'work', { ready: 0, delayed: 0, leased: 1, dead: 1 });
      await test.nothing(transport, 'work', 50);
    },
  },
  {
    id: 'D6',
    title: 'a message without attempts left is terminal: no hot loop, no further delivery',
    rules: ['RQ5'],
    async run(test) {
      const [transport, other] = [await test.transport(), await test.open()];
      await transport.queues.configure('work', { leaseMs: 1_000, maxAttempts: 1 });
      await test.send(transport, 'work', test.messages(2));
      const silence = (): Promise<void> => test.nothing(other, 'work', test.beyond(1_400));
      const [first] = await test.receive(transport, 'work', 2);
      if (first !== undefined) await settle(test, transport, [first], { action: 'retry', delayMs: 20 });
      await silence();
      const letters = await deadLetters(test, transport, 'work', 2);
      const outcomes = letters.map(({ history }) => history.map(({ outcome }) => outcome));
      test.check.equal(outcomes.sort(), [['expired'], ['retry']], 'reasons');
      const reasons = letters.map(({ dead }) => dead?.reason).sort();
      test.check.equal(
        reasons,
        ['attempts used up', 'the lease of the last attempt ended'],
        'reason without a given one',
      );
      await assertCounts(test, transport, 'work', { ready: 0, delayed: 0, leased: 0, dead: 2 });
      test.check.equal((await queueInfo(transport, 'work')).totals.dead, 2, 'dead letters counted');
      test.check.equal(test.recorder.all.length, 2, 'deliveries in all');
    },
  },
  {
    id: 'D10',
    title: 'one call redrives a dead letter once, although it dies again meanwhile',
    rules: ['RQ5'],
    async run(test) {
      const bus = await test.bus();
      let runs = 0;
      await bus.process(
        'work',
        () => {
          runs += 1;
          throw new Error('still broken');
        },
        { maxAttempts: 1, concurrency: 4 },
      );
      const ids = (await bus.enqueueAll('work', [1, 2, 3])).map(({ id }) => id);
      const letters = bus.deadLetters('work');
      await test.until('all are dead', async () => (await letters.count()) === 3);
      runs = 0;
      test.check.equal(await letters.redrive({ ids: ids.slice(0, 1) }), 1, 'redriven by id');
      await test.until('it is dead again', async () => runs === 1 && (await letters.count()) === 3);
      test.check.equal(await letters.redrive(), 3, 'redriven in all');
      await test.until('all are dead again', async () => runs === 4 && (await letters.count()) === 3);
      await test.nothing(await test.transport(), 'work', 50);
      test.check.equal(runs, 4, 'runs of the handler');
    },
  },
  {
    id: 'D9',
    title: 'a redriven message keeps its id, gets fresh attempts, and may become a dead letter again',
    rules: ['RQ5', 'RQ7'],
    async run(test, transport) {
      await test.send(transport, 'work', test.messages(1, { id: 'again', maxAttempts: 2 }));
      for (let life = 1; life <= 3; life += 1) {
        for (const attempt of [1, 2]) {
          const delivery = await receiveOne(test, transport, 'work');
          test.check.equal([delivery.id, delivery.attempt], ['again', attempt], `life ${life}`);
          await settle(test, transport, [delivery], { action: 'retry', reason: `life ${life}` });
        }
        const [letter] = await deadLetters(test, transport, 'work', 1);
        test.check.equal(letter?.dead?.reason, `life ${life}`, 'why it died');
        test.check.equal(await transport.admin.redrive('work'), 1, 'redriven');
        const [back] = (await transport.admin.browse('work', { state: 'ready' })).messages;
        const lives = [1, 2, 3].slice(0, life).flatMap((past) => [`life ${past}`, `life ${past}`]);
        test.check.equal(back?.attempts, 0, 'attempts after redrive');
        test.check.equal(fieldsOf(back?.history ?? [], 'reason'), lives, 'its history over all redrives');
      }
      const [result] = await transport.queues.send('work', test.messages(1, { id: 'again' }));
      test.check.equal(result?.status, 'duplicate', 'its id is still known to dedupe');
      test.check.equal(idsOf(await consume(test, transport, 'work', 1)), ['again'], 'messages handled');
      await test.nothing(transport, 'work', 50);
      await comesBackWhole(test, transport);
    },
  },
]);

/** A redriven message gets its whole time to live again, and enters even a full queue. */
async function comesBackWhole(test: TestContext, transport: Transport): Promise<void> {
  const ttlMs = 1_200;
  await transport.queues.configure('full', { maxLength: 1 });
  await test.send(transport, 'full', test.messages(1, { ttlMs }, 'brief'));
  await settle(test, transport, [await receiveOne(test, transport, 'full')], { action: 'reject', reason: 'no' });
  await test.send(transport, 'full', test.messages(1, { priority: 0 }, 'beside'));
  await waitUntil(test, performance.now() + test.beyond(ttlMs) + ROUNDING_MS);
  test.check.equal(await transport.admin.redrive('full'), 1, 'redriven into a full queue');
  const [back] = await test.receive(transport, 'full', 1);
  test.check.equal(back && test.text(back), 'brief0', 'a message past its first time to live');
  test.check.between(back?.ttlLeftMs ?? 0, 1, test.beyond(ttlMs) + ROUNDING_MS, 'remaining second time to live');
  await assertCounts(test, transport, 'full', { ready: 1, leased: 1, dead: 0 });
}

async function assertLast(test: TestContext, transport: Transport, queue: string, attempts: number): Promise<void> {
  const { messages } = await transport.admin.browse(queue, { state: 'dead' });
  const letter = messages.at(-1);
  test.check.equal([letter?.attempts, letter?.state], [attempts, 'dead'], 'the youngest dead letter');
  test.check.equal(letter?.dead?.reason, `failure ${attempts}`, 'its reason');
}

function assertHistory(
  test: TestContext,
  letter: Awaited<ReturnType<typeof deadLetters>>[number] | undefined,
  before: number,
): void {
  const { history = [], dead, state, attempts } = letter ?? {};
  test.check.equal([state, attempts, dead?.reason], ['dead', 3, 'unreadable'], 'state, attempts, reason');
  const expected = [
    [1, 'retry', 'Zeit über 日本', 'worker one'],
    [2, 'expired', 'worker two'],
    [3, 'reject', 'unreadable', 'worker three'],
  ];
  const told = history.map(({ attempt, outcome, reason, consumer }) =>
    outcome === 'expired' ? [attempt, outcome, consumer] : [attempt, outcome, reason, consumer],
  );
  test.check.equal(told, expected, 'its attempts');
  const times = [before, ...history.map(({ endedAt }) => endedAt), dead?.at ?? 0, Date.now()];
  test.check.every(times, (time, at) => at === 0 || time >= (times[at - 1] ?? 0) - 5, `times in order: ${times}`);
}

/** The history has the last 20 attempts, each with up to 4 KiB of reason. */
async function keepsTheLast(test: TestContext, transport: Transport): Promise<void> {
  await test.send(transport, 'stubborn', test.messages(1, { maxAttempts: 23 }));
  const reasons = Array.from({ length: 23 }, (_, at) => `${at + 1} ${'x'.repeat(4_090)}`);
  for (const reason of reasons) {
    await settle(test, transport, [await receiveOne(test, transport, 'stubborn')], { action: 'retry', reason });
  }
  const [letter] = await deadLetters(test, transport, 'stubborn', 1);
  test.check.equal(fieldsOf(letter?.history ?? [], 'reason'), reasons.slice(3), 'the last 20 reasons');
  test.check.equal(letter?.history.map(({ attempt }) => attempt).at(0), 4, 'the first kept attempt');
}

/** Sends `count` messages and rejects each. Returns their ids in the order of the rejections. */
async function bury(test: TestContext, transport: Transport, count: number): Promise<string[]> {
  const ids = idsOf(await test.send(transport, 'work', test.messages(count)));
  const held: Delivery[] = await test.receive(transport, 'work', count);
  for (const delivery of held) await settle(test, transport, [delivery], { action: 'reject', reason: 'buried' });
  await deadLetters(test, transport, 'work', count);
  return ids;
}

async function browseDead(transport: Transport, limit: number): Promise<string[][]> {
  const pages: string[][] = [];
  let after: string | undefined;
  do {
    const page = await transport.admin.browse('work', { state: 'dead', limit, ...(after !== undefined && { after }) });
    pages.push(idsOf(page.messages.map(({ message }) => message)));
    after = page.next;
  } while (after !== undefined);
  return pages;
}
