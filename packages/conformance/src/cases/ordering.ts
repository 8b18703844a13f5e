/** Ordering: FIFO, also with redelivery, ordering keys and restarts. */

import type { Delivery, MessageInput, Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import { withWallClock } from '../context/wall-clock.ts';
import { assertDeliveredOnce, consume, fieldsOf, idsOf, receiveOne, settle, texts } from '../steps/consuming.ts';
import { follow } from '../steps/event-log.ts';
import { assertCounts, deadLetters } from '../steps/queue-view.ts';

const KEYS = ['a', 'b', 'c', 'd'];

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Ordering' }, [
  {
    id: 'O1',
    title: 'one consumer gets the messages of one sender in FIFO order, whatever the batch sizes',
    rules: ['RQ4'],
    smoke: true,
    async run(test, sender) {
      const sent = test.messages(300);
      for (let from = 0; from < sent.length; from += 1 + (from % 23)) {
        await test.send(sender, 'line', sent.slice(from, from + 1 + (from % 23)));
      }
      const consumer = await test.open();
      const got = [...(await consume(test, consumer, 'line', 150, 7)), ...(await consume(test, consumer, 'line', 150))];
      test.check.equal(texts(test, got), texts(test, sent), 'the order');
    },
  },
  {
    id: 'O2',
    title: 'many consumers handle the messages of one ordering key one at a time and in order',
    rules: ['RQ4'],
    needs: ['orderingKeys'],
    async run(test, sender) {
      const sent = test.messages(60).map((message, index): MessageInput => {
        const orderingKey = KEYS[index % KEYS.length] ?? '';
        return { ...message, orderingKey };
      });
      await test.send(sender, 'keyed', sent);
      const members = [sender, await test.open(), await test.open(), await test.open()];
      const handled = await handleByKey(test, members, 60);
      for (const key of KEYS) {
        const own = sent.filter(({ orderingKey }) => orderingKey === key);
        test.check.equal(handled.get(key), texts(test, own), `the order of key ${key}`);
      }
      await blocksItsKey(test, sender);
    },
    async refused(test) {
      const transport = await test.transport();
      const keyed = test.messages(1, { orderingKey: 'a' });
      await test.check.rejects(transport.queues.send('keyed', keyed), 'UNSUPPORTED', 'a send with an ordering key');
      await test.nothing(transport, 'keyed', 50);
    },
  },
  {
    id: 'O3',
    title: 'each of several concurrent producers keeps its own order, and no message is lost or duplicated',
    rules: ['RQ4', 'RQ1'],
    smoke: true,
    async run(test, consumer) {
      const produce = async (from: string): Promise<string[]> => {
        const client = await test.open();
        const sends: ReturnType<TestContext['send']>[] = [];
        for (const message of test.messages(100, { from }, `${from}.`)) {
          sends.push(test.send(client, 'line', [message]));
          if (sends.length % 9 === 0) await sends.at(-1);
        }
        return idsOf((await Promise.all(sends)).flat());
      };
      const producers = ['p', 'q', 'r', 's'];
      const [ids, got] = await Promise.all([
        Promise.all(producers.map(produce)),
        consume(test, consumer, 'line', 400, 16),
      ]);
      for (const producer of producers) {
        const own = got.filter(({ from }) => from === producer);
        const expected = texts(test, test.messages(100, {}, `${producer}.`));
        test.check.equal(texts(test, own), expected, `the order of ${producer}`);
      }
      assertDeliveredOnce(test, ids.flat());
    },
  },
  {
    id: 'O4',
    title: 'sends and publishes that are not awaited keep the order of the calls',
    rules: ['RQ4', 'RT1'],
    async run(test, transport) {
      const log = await follow(test, await test.open(), 'news');
      const sent = test.messages(1_000);
      const calls: Promise<unknown>[] = [];
      for (let from = 0; from < sent.length; from += 1 + (from % 3)) {
        const batch = sent.slice(from, from + 1 + (from % 3));
        calls.push(test.send(transport, 'line', batch), transport.topics.publish('news', batch));
        if (from % 50 === 0) await new Promise(setImmediate);
      }
      await Promise.all(calls);
      const got = await consume(test, transport, 'line', sent.length);
      test.check.equal(texts(test, got), texts(test, sent), 'the order of the queue');
      await log.has(texts(test, sent), 'the order of the topic');
    },
  },
  {
    id: 'O5',
    title: 'a worker with concurrency 1 starts the next task only after the previous one ends, in order',
    rules: ['RQ4', 'RQ8'],
    async run(test) {
      const [bus, transport] = [await test.bus(), await test.transport()];
      const gate = Promise.withResolvers<void>();
      const begun: unknown[] = [];
      let overlaps = 0;
      let running = 0;
      await bus.process(
        'jobs',
        async (task) => {
          begun.push(task.body);
          if (running > 0) overlaps += 1;
          running += 1;
          await gate.promise;
          await new Promise(setImmediate);
          running -= 1;
        },
        { concurrency: 1 },
      );
      await bus.enqueueAll('jobs', ['a', 'b', 'c', 'd']);
      await assertCounts(test, transport, 'jobs', { leased: 1, ready: 3 });
      // A leased message may not have reached the handler yet.
      await test.until('a task is begun', () => begun.length > 0);
      test.check.equal(begun, ['a'], 'started while the first is running');
      gate.resolve();
      await test.until('all tasks are begun', () => begun.length === 4);
      test.check.equal([begun, overlaps], [['a', 'b', 'c', 'd'], 0], 'the order, and concurrent tasks');
    },
  },
  {
    id: 'O6',
    title: 'neither send times nor ids decide the order',
    rules: ['RQ4'],
    async run(test) {
      await withWallClock(0, async (clock) => {
        const sender = await test.open();
        const sent = test.messages(120).map((message, index) => ({ ...message, id: `id-${String(999 - index)}` }));
        for (let from = 0; from < sent.length; from += 20) {
          await test.send(sender, 'line', sent.slice(from, from + 20));
          clock.offsetMs -= from === 40 ? 60_000 : 5;
        }
        const got = await consume(test, sender, 'line', sent.length, 50);
        test.check.equal(idsOf(got), idsOf(sent), 'the order');
      });
    },
  },
  {
    id: 'O7',
    title: 'a released message and one retried without delay go back to their former place',
    rules: ['RQ4'],
    needs: ['retryKeepsPlace'],
    async run(test, transport) {
      await test.send(transport, 'line', test.messages(6));
      const held = await test.receive(transport, 'line', 3);
      await settle(test, transport, held.slice(1, 2), { action: 'retry' });
      await settle(test, transport, held.slice(0, 1), { action: 'release' });
      await test.send(transport, 'line', test.messages(1, {}, 'late'));
      const got = await test.receive(await test.open(), 'line', 6);
      test.check.equal(texts(test, got), ['m0', 'm1', 'm3', 'm4', 'm5', 'late0'], 'the order while the third is held');
      test.check.equal(fieldsOf(got.slice(0, 3), 'attempt'), [1, 2, 1], 'attempts');
    },
    async refused(test) {
      const transport = await test.transport();
      test.check.ok(test.capabilities.reasons.retryKeepsPlace, 'the reason of `retryKeepsPlace`');
      await test.send(transport, 'line', test.messages(6));
      await settle(test, transport, await test.receive(transport, 'line', 3), { action: 'retry' });
      const got = await consume(test, transport, 'line', 6);
      const others = texts(
        test,
        got.filter(({ attempt }) => attempt === 1),
      );
      test.check.equal(others, ['m3', 'm4', 'm5'], 'order of messages without retry');
      test.check.equal(texts(test, got).sort(), ['m0', 'm1', 'm2', 'm3', 'm4', 'm5'], 'all messages');
    },
  },
  {
    id: 'O8',
    title: 'the order survives a restart, and later sends go to the end',
    rules: ['RQ4', 'RD1'],
    harnessFeatures: ['reopen'],
    smoke: true,
    async run(test, before) {
      const sent = test.messages(40, {}, 'before');
      await test.send(before, 'line', sent.slice(0, 25));
      await test.send(before, 'line', sent.slice(25));
      await test.send(before, 'line', test.messages(1, { priority: 9 }, 'urgent'));
      const after = await test.reopen();
      const later = test.messages(40, {}, 'after');
      await test.send(after, 'line', later);
      const got = await consume(test, after, 'line', 81, 30);
      test.check.equal(texts(test, got), ['urgent0', ...texts(test, sent), ...texts(test, later)], 'the order');
    },
  },
]);

/** Handles with all members, with some retries. Returns the acked messages of each key in order. */
async function handleByKey(
  test: TestContext,
  members: readonly Transport[],
  count: number,
): Promise<Map<string, string[]>> {
  const handled = new Map<string, string[]>(KEYS.map((key) => [key, []]));
  const held = new Set<string>();
  let left = count;
  const handle = async (member: Transport, delivery: Delivery): Promise<void> => {
    const key = delivery.orderingKey ?? '';
    test.check.ok(!held.has(key), `key ${key} is handled one at a time`);
    held.add(key);
    for (let turns = Math.floor(test.random() * 20); turns > 0; turns -= 1) await new Promise(setImmediate);
    const isRetried = delivery.attempt === 1 && test.random() < 0.2;
    if (!isRetried) handled.get(key)?.push(test.text(delivery));
    if (!isRetried) left -= 1;
    held.delete(key);
    await settle(test, member, [delivery], { action: isRetried ? 'retry' : 'ack' });
  };
  const work = async (member: Transport): Promise<void> => {
    while (left > 0) {
      const deliveries = await member.queues.receive('keyed', { max: 4, waitMs: 50 });
      await Promise.all(deliveries.map((delivery) => handle(member, delivery)));
    }
  };
  await Promise.all(members.map(work));
  return handled;
}

/** A leased, delayed or retried message blocks its key. A dead letter frees it. */
async function blocksItsKey(test: TestContext, transport: Transport): Promise<void> {
  await test.send(transport, 'blocked', test.messages(2, { orderingKey: 'k' }, 'k'));
  await test.send(transport, 'blocked', test.messages(1, { orderingKey: 'other' }, 'other'));
  const held = await test.receive(transport, 'blocked', 2);
  test.check.equal(texts(test, held), ['k0', 'other0'], 'one of each key');
  await test.nothing(transport, 'blocked', 50);
  await settle(test, transport, held.slice(0, 1), { action: 'retry', delayMs: 1_000 });
  await test.nothing(transport, 'blocked', 100);
  const again = await receiveOne(test, transport, 'blocked');
  test.check.equal([test.text(again), again.attempt], ['k0', 2], 'messages after the delay');
  await settle(test, transport, [again], { action: 'reject', reason: 'enough' });
  test.check.equal(test.text(await receiveOne(test, transport, 'blocked')), 'k1', 'messages freed by the dead letter');
  await deadLetters(test, transport, 'blocked', 1);
}
