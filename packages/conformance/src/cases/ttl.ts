/** Time to live: messages are delivered before expiry, never after, and then reclaimed. */

import type { Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import {
  consume,
  idsOf,
  ROUNDING_MS,
  receiveOne,
  type SettlementFields,
  settle,
  texts,
  waitUntil,
} from '../steps/consuming.ts';
import { publish } from '../steps/event-log.ts';
import { assertCounts, queueInfo } from '../steps/queue-view.ts';

export const cases: readonly ConformanceCase[] = defineCases({ group: 'TTL' }, [
  {
    id: 'T1',
    title: 'an expired message is never delivered, is not a dead letter, and is counted as expired',
    rules: ['RQ6', 'RQ1'],
    smoke: true,
    timeoutMs: 90_000,
    async run(test, transport) {
      await transport.topics.bind('bound', 'news');
      await test.send(transport, 'work', [
        ...test.messages(3, { ttlMs: 150 }, 'short'),
        ...test.messages(2, {}, 'long'),
      ]);
      await publish(test, transport, 'news', test.messages(1, { ttlMs: 150 }));
      await waitUntil(test, performance.now() + 150 + ROUNDING_MS);
      const got = await consume(test, await test.open(), 'work', 2);
      test.check.equal(texts(test, got), ['long0', 'long1'], 'delivered messages');
      for (const queue of ['work', 'bound']) {
        await test.nothing(transport, queue, 50);
        await expired(test, transport, queue, queue === 'work' ? 3 : 1);
        await assertCounts(test, transport, queue, { ready: 0, delayed: 0, leased: 0, dead: 0 });
      }
    },
  },
  {
    id: 'T2',
    title: 'a message close to its expiry is delivered with its remaining time',
    rules: ['RQ6'],
    async run(test, transport) {
      const began = performance.now();
      await test.send(transport, 'work', test.messages(2, { ttlMs: 3_000 }));
      const sentAt = performance.now();
      const first = await receiveOne(test, transport, 'work');
      test.check.between(first.ttlLeftMs ?? -1, 1, 3_000, 'time left at first');
      await waitUntil(test, began + 1_500);
      const askedAt = performance.now();
      const second = await receiveOne(test, transport, 'work', 1_000);
      const [least, most] = [3_000 - (performance.now() - began), 3_000 - (askedAt - sentAt)];
      test.check.between(second.ttlLeftMs ?? -1, least - ROUNDING_MS, most + ROUNDING_MS, 'time left after half of it');
      await settle(test, transport, [first, second], { action: 'ack' });
    },
  },
  {
    id: 'T3',
    title: 'an invalid time to live is refused; one shorter than the delay ends the message before it is due',
    rules: ['RQ6', 'RD2'],
    timeoutMs: 90_000,
    async run(test, transport) {
      for (const ttlMs of [0, -5, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
        const bad = [...test.messages(1), ...test.messages(1, { ttlMs })];
        await test.check.rejects(transport.queues.send('work', bad), 'INVALID_ARGUMENT', `a time to live of ${ttlMs}`);
      }
      test.check.equal(await transport.admin.queues(), [], 'queues created by refused sends');
      await test.send(transport, 'work', test.messages(1, { delayMs: 250, ttlMs: 100 }));
      await test.nothing(transport, 'work', test.beyond(500));
      await expired(test, transport, 'work', 1);
      await assertCounts(test, transport, 'work', { ready: 0, delayed: 0, leased: 0, dead: 0 });
    },
  },
  {
    id: 'T4',
    title: 'each message has its own time to live, independent of the messages before it and of queue settings',
    rules: ['RQ6'],
    timeoutMs: 90_000,
    async run(test, transport) {
      await transport.queues.configure('work', { deadTtlMs: 1_000, leaseMs: 1_000 });
      const sent = [
        ...test.messages(1, {}, 'forever'),
        ...test.messages(1, { ttlMs: 3_600_000, priority: 9 }, 'hour'),
        ...test.messages(2, { ttlMs: 120 }, 'short'),
        ...test.messages(1, { ttlMs: 60_000, priority: 0 }, 'minute'),
      ];
      await test.send(transport, 'work', sent);
      await waitUntil(test, performance.now() + 1_200);
      await expired(test, transport, 'work', 2);
      await assertCounts(test, transport, 'work', { ready: 3 });
      const got = await consume(test, transport, 'work', 3);
      test.check.equal(texts(test, got), ['hour0', 'forever0', 'minute0'], 'live messages');
      const lefts = got.map(({ ttlLeftMs }) => ttlLeftMs !== undefined);
      test.check.equal(lefts, [true, false, true], 'whether ttlLeftMs is defined');
    },
  },
  {
    id: 'T5',
    title: 'times to live are exact to the millisecond, and late by at most the declared granularity',
    rules: ['RQ6', 'RE2'],
    async run(test) {
      const [transport, other] = [await test.transport(), await test.open()];
      const { granularityMs } = test.capabilities;
      test.check.between(granularityMs, 0, 1_000, 'the declared granularity');
      for (const ttlMs of [40, 150, 333]) {
        const key = `entry.${ttlMs}`;
        const began = performance.now();
        await transport.kv.put(key, Buffer.from('x'), { ttlMs });
        const putAt = performance.now();
        const goneAt = await test.until(`${key} to go`, async () => {
          const askedAt = performance.now();
          if ((await other.kv.get(key)) === undefined) return performance.now();
          const isLate = askedAt > putAt + ttlMs + granularityMs + ROUNDING_MS;
          test.check.ok(!isLate, `${key} exists ${askedAt - putAt} ms after its put`);
          return undefined;
        });
        test.check.ok(goneAt >= began + ttlMs - ROUNDING_MS, `${key} is deleted after ${goneAt - began} ms`);
      }
    },
  },
  {
    id: 'T6',
    title: 'a leased message that expires can be acked, and is dropped when released; a dead letter stays',
    rules: ['RQ6', 'RQ3'],
    timeoutMs: 90_000,
    async run(test, transport) {
      await test.send(transport, 'work', test.messages(5, { ttlMs: 600 }));
      const held = await test.receive(transport, 'work', 5);
      const settleOne = (at: number, settlement: SettlementFields): Promise<void> =>
        settle(test, transport, held.slice(at, at + 1), settlement);
      await settleOne(0, { action: 'ack' });
      await settleOne(1, { action: 'reject', reason: 'in time' });
      await waitUntil(test, performance.now() + test.beyond(600) + ROUNDING_MS);
      await settleOne(2, { action: 'ack' });
      await settleOne(3, { action: 'retry' });
      await settleOne(4, { action: 'release' });
      await test.nothing(await test.open(), 'work', 150);
      await expired(test, transport, 'work', 2);
      const { totals } = await queueInfo(transport, 'work');
      test.check.equal(totals, { sent: 5, done: 2, dead: 1, expired: 2 }, 'totals');
      await assertCounts(test, transport, 'work', { ready: 0, delayed: 0, leased: 0, dead: 1 });
    },
  },
  {
    id: 'T8',
    title: 'in the history of a bound queue, delays and times to live count from the publish, not from the binding',
    rules: ['RQ6', 'RT5'],
    timeoutMs: 90_000,
    async run(test, transport) {
      const began = performance.now();
      await publish(test, transport, 'news', [
        ...test.messages(1, { ttlMs: 400 }, 'short'),
        ...test.messages(1, { ttlMs: 60_000 }, 'long'),
        ...test.messages(1, { delayMs: 3_000 }, 'delayed'),
      ]);
      const publishedAt = performance.now();
      await waitUntil(test, publishedAt + test.beyond(2_000));
      await transport.topics.bind('bound', 'news', { from: 'start' });
      const [long] = await consume(test, transport, 'bound', 1);
      test.check.equal(
        [long].flatMap((one) => (one ? texts(test, [one]) : [])),
        ['long0'],
        'the first message',
      );
      test.check.between(long?.ttlLeftMs ?? 0, 50_000, 58_000, 'its remaining time to live');
      const delayed = await receiveOne(test, transport, 'bound', test.beyond(3_000) + 5_000);
      test.check.equal(test.text(delayed), 'delayed0', 'the second message');
      const tookMs = performance.now() - began;
      test.check.between(tookMs, 3_000 - ROUNDING_MS, test.beyond(3_000) + publishedAt - began + 1_800, 'its delay');
      await test.ack(transport, [delayed]);
      await test.nothing(transport, 'bound', 50);
    },
  },
  {
    id: 'T9',
    title: 'a leased message whose time to live has ended becomes no dead letter',
    rules: ['RQ6', 'RQ5'],
    timeoutMs: 90_000,
    async run(test, transport) {
      await test.send(transport, 'work', test.messages(3, { ttlMs: 500, maxAttempts: 1 }));
      const held = await test.receive(transport, 'work', 3);
      await waitUntil(test, performance.now() + test.beyond(500) + ROUNDING_MS);
      await settle(test, transport, held.slice(0, 1), { action: 'reject' });
      await settle(test, transport, held.slice(1, 2), { action: 'retry' });
      await settle(test, transport, held.slice(2), { action: 'release' });
      await expired(test, transport, 'work', 3);
      await assertCounts(test, transport, 'work', { ready: 0, delayed: 0, leased: 0, dead: 0 });
      const { totals } = await queueInfo(transport, 'work');
      test.check.equal(totals, { sent: 3, done: 0, dead: 0, expired: 3 }, 'totals');
    },
  },
  {
    id: 'T7',
    title: 'expired messages are reclaimed within the declared time without any receive',
    rules: ['RQ6'],
    timeoutMs: 120_000,
    async run(test, transport) {
      test.check.between(test.capabilities.reclaimMs, 0, 60_000, 'the declared time');
      await transport.queues.configure('buried', { deadTtlMs: 1_000 });
      const body = Buffer.alloc(4_096, 'x');
      const sent = test.messages(300, { ttlMs: 200 }).map((message) => ({ ...message, body }));
      const ids = idsOf(await test.send(transport, 'work', sent));
      await test.send(transport, 'buried', test.messages(1));
      await settle(test, transport, await test.receive(transport, 'buried', 1), { action: 'reject' });
      await test.send(transport, 'work', test.messages(5, {}, 'lasting'));
      await expired(test, transport, 'work', 300);
      const isGone = async (): Promise<boolean> => (await queueInfo(transport, 'buried')).dead === 0;
      await test.until('a dead letter with a ttl of a second is deleted', isGone, test.capabilities.reclaimMs + 10_000);
      const { messages } = await transport.admin.browse('work', { ids, limit: 1_000 });
      test.check.equal(messages.length, 0, 'expired messages that still exist');
      await assertCounts(test, transport, 'work', { ready: 5, delayed: 0, leased: 0, dead: 0 });
      test.check.equal(texts(test, await consume(test, transport, 'work', 5)).at(0), 'lasting0', 'live messages');
    },
  },
]);

/** Waits within the declared time until `count` messages are counted as expired, and asserts it. */
async function expired(test: TestContext, transport: Transport, queue: string, count: number): Promise<void> {
  const withinMs = test.capabilities.reclaimMs + 10_000;
  const isCounted = async (): Promise<boolean> => (await queueInfo(transport, queue)).totals.expired >= count;
  await test.until(`${count} messages of ${queue} are counted as expired`, isCounted, withinMs);
  test.check.equal((await queueInfo(transport, queue)).totals.expired, count, `expired messages of ${queue}`);
}
