/** Ordering: FIFO, also with redelivery, ordering keys and restarts. */

import type { Delivery, MessageInput, Transport } from '@busbar/api/transport';
import type { ConformanceCase } from '../case.ts';
import type { Lab } from '../context/test-context.ts';
import { withWallClock } from '../context/wall-clock.ts';
import { consume, idsOf, onceEach, receiveOne, settle, texts } from '../steps/consuming.ts';
import { follow } from '../steps/event-log.ts';
import { deadLetters, holds } from '../steps/queue-view.ts';

const group = 'Ordering';
const KEYS = ['a', 'b', 'c', 'd'];

export const cases: readonly ConformanceCase[] = [
  {
    id: 'O1',
    group,
    title: 'one consumer gets the messages of one sender in FIFO order, whatever the batch sizes',
    level: 'MUST',
    rules: ['RQ4'],
    smoke: true,
    async run(lab) {
      const sender = await lab.transport();
      const sent = lab.messages(300);
      for (let from = 0; from < sent.length; from += 1 + (from % 23)) {
        await lab.send(sender, 'line', sent.slice(from, from + 1 + (from % 23)));
      }
      const consumer = await lab.open();
      const got = [...(await consume(lab, consumer, 'line', 150, 7)), ...(await consume(lab, consumer, 'line', 150))];
      lab.check.equal(texts(lab, got), texts(lab, sent), 'the order');
    },
  },
  {
    id: 'O2',
    group,
    title: 'many consumers handle the messages of one ordering key one at a time and in order',
    level: 'MUST',
    rules: ['RQ4'],
    needs: ['orderingKeys'],
    async run(lab) {
      const sender = await lab.transport();
      const sent = lab.messages(60).map((message, index): MessageInput => {
        const orderingKey = KEYS[index % KEYS.length] ?? '';
        return { ...message, orderingKey };
      });
      await lab.send(sender, 'keyed', sent);
      const members = [sender, await lab.open(), await lab.open(), await lab.open()];
      const handled = await handleByKey(lab, members, 60);
      for (const key of KEYS) {
        const own = sent.filter(({ orderingKey }) => orderingKey === key);
        lab.check.equal(handled.get(key), texts(lab, own), `the order of key ${key}`);
      }
      await blocksItsKey(lab, sender);
    },
    async refused(lab) {
      const transport = await lab.transport();
      const keyed = lab.messages(1, { orderingKey: 'a' });
      await lab.check.rejects(transport.queues.send('keyed', keyed), 'UNSUPPORTED', 'a send with an ordering key');
      await lab.nothing(transport, 'keyed', 50);
    },
  },
  {
    id: 'O3',
    group,
    title: 'each of several concurrent producers keeps its own order, and no message is lost or duplicated',
    level: 'MUST',
    rules: ['RQ4', 'RQ1'],
    smoke: true,
    async run(lab) {
      const consumer = await lab.transport();
      const produce = async (from: string): Promise<string[]> => {
        const client = await lab.open();
        const sends: ReturnType<Lab['send']>[] = [];
        for (const message of lab.messages(100, { from }, `${from}.`)) {
          sends.push(lab.send(client, 'line', [message]));
          if (sends.length % 9 === 0) await sends.at(-1);
        }
        return idsOf((await Promise.all(sends)).flat());
      };
      const producers = ['p', 'q', 'r', 's'];
      const [ids, got] = await Promise.all([
        Promise.all(producers.map(produce)),
        consume(lab, consumer, 'line', 400, 16),
      ]);
      for (const producer of producers) {
        const own = got.filter(({ from }) => from === producer);
        lab.check.equal(texts(lab, own), texts(lab, lab.messages(100, {}, `${producer}.`)), `the order of ${producer}`);
      }
      onceEach(lab, ids.flat());
    },
  },
  {
    id: 'O4',
    group,
    title: 'sends and publishes that are not awaited keep the order of the calls',
    level: 'MUST',
    rules: ['RQ4', 'RT1'],
    async run(lab) {
      const transport = await lab.transport();
      const log = await follow(lab, await lab.open(), 'news');
      const sent = lab.messages(1_000);
      const calls: Promise<unknown>[] = [];
      for (let from = 0; from < sent.length; from += 1 + (from % 3)) {
        const batch = sent.slice(from, from + 1 + (from % 3));
        calls.push(lab.send(transport, 'line', batch), transport.topics.publish('news', batch));
        if (from % 50 === 0) await new Promise(setImmediate);
      }
      await Promise.all(calls);
      const got = await consume(lab, transport, 'line', sent.length);
      lab.check.equal(texts(lab, got), texts(lab, sent), 'the order of the queue');
      await log.has(texts(lab, sent), 'the order of the topic');
    },
  },
  {
    id: 'O5',
    group,
    title: 'a worker with concurrency 1 starts the next task only after the previous one ends, in order',
    level: 'MUST',
    rules: ['RQ4', 'RQ8'],
    async run(lab) {
      const [bus, transport] = [await lab.bus(), await lab.transport()];
      const gate = Promise.withResolvers<void>();
      const begun: unknown[] = [];
      let overlaps = 0;
      let running = 0;
      await bus.process('jobs', { concurrency: 1 }, async (task) => {
        begun.push(task.body);
        if (running > 0) overlaps += 1;
        running += 1;
        await gate.promise;
        await new Promise(setImmediate);
        running -= 1;
      });
      await bus.enqueueAll('jobs', ['a', 'b', 'c', 'd']);
      await holds(lab, transport, 'jobs', { leased: 1, ready: 3 });
      // A leased message may not have reached the handler yet.
      await lab.until('a task is begun', () => begun.length > 0);
      lab.check.equal(begun, ['a'], 'started while the first is running');
      gate.resolve();
      await lab.until('all tasks are begun', () => begun.length === 4);
      lab.check.equal([begun, overlaps], [['a', 'b', 'c', 'd'], 0], 'the order, and tasks begun beside another');
    },
  },
  {
    id: 'O6',
    group,
    title: 'neither send times nor ids decide the order',
    level: 'MUST',
    rules: ['RQ4'],
    async run(lab) {
      await withWallClock(0, async (clock) => {
        const sender = await lab.open();
        const sent = lab.messages(120).map((message, index) => ({ ...message, id: `id-${String(999 - index)}` }));
        for (let from = 0; from < sent.length; from += 20) {
          await lab.send(sender, 'line', sent.slice(from, from + 20));
          clock.offsetMs -= from === 40 ? 60_000 : 5;
        }
        const got = await consume(lab, sender, 'line', sent.length, 50);
        lab.check.equal(idsOf(got), idsOf(sent), 'the order');
      });
    },
  },
  {
    id: 'O7',
    group,
    title: 'a released message and one retried without delay go back to their former place',
    level: 'MUST',
    rules: ['RQ4'],
    needs: ['retryKeepsPlace'],
    async run(lab) {
      const transport = await lab.transport();
      await lab.send(transport, 'line', lab.messages(6));
      const held = await lab.receive(transport, 'line', 3);
      await settle(lab, transport, held.slice(1, 2), { action: 'retry' });
      await settle(lab, transport, held.slice(0, 1), { action: 'release' });
      await lab.send(transport, 'line', lab.messages(1, {}, 'late'));
      const got = await lab.receive(await lab.open(), 'line', 6);
      lab.check.equal(texts(lab, got), ['m0', 'm1', 'm3', 'm4', 'm5', 'late0'], 'the order while the third is held');
      lab.check.equal(
        got.slice(0, 3).map(({ attempt }) => attempt),
        [1, 2, 1],
        'attempts',
      );
    },
    async refused(lab) {
      const transport = await lab.transport();
      lab.check.ok(lab.capabilities.reasons.retryKeepsPlace, 'the reason of `retryKeepsPlace`');
      await lab.send(transport, 'line', lab.messages(6));
      await settle(lab, transport, await lab.receive(transport, 'line', 3), { action: 'retry' });
      const got = await consume(lab, transport, 'line', 6);
      const others = texts(
        lab,
        got.filter(({ attempt }) => attempt === 1),
      );
      lab.check.equal(others, ['m3', 'm4', 'm5'], 'order of messages without retry');
      lab.check.equal(texts(lab, got).sort(), ['m0', 'm1', 'm2', 'm3', 'm4', 'm5'], 'all messages');
    },
  },
  {
    id: 'O8',
    group,
    title: 'the order survives a restart, and later sends go to the end',
    level: 'MUST',
    rules: ['RQ4', 'RD1'],
    powers: ['reopen'],
    smoke: true,
    async run(lab) {
      const before = await lab.transport();
      const sent = lab.messages(40, {}, 'before');
      await lab.send(before, 'line', sent.slice(0, 25));
      await lab.send(before, 'line', sent.slice(25));
      await lab.send(before, 'line', lab.messages(1, { priority: 9 }, 'urgent'));
      const after = await lab.reopen();
      const later = lab.messages(40, {}, 'after');
      await lab.send(after, 'line', later);
      const got = await consume(lab, after, 'line', 81, 30);
      lab.check.equal(texts(lab, got), ['urgent0', ...texts(lab, sent), ...texts(lab, later)], 'the order');
    },
  },
];

/** Handles with all members, with some retries. Returns the acked messages of each key in order. */
async function handleByKey(lab: Lab, members: readonly Transport[], count: number): Promise<Map<string, string[]>> {
  const handled = new Map<string, string[]>(KEYS.map((key) => [key, []]));
  const held = new Set<string>();
  let left = count;
  const handle = async (member: Transport, delivery: Delivery): Promise<void> => {
    const key = delivery.orderingKey ?? '';
    lab.check.ok(!held.has(key), `key ${key} is handled one at a time`);
    held.add(key);
    for (let turns = Math.floor(lab.random() * 20); turns > 0; turns -= 1) await new Promise(setImmediate);
    const isRetried = delivery.attempt === 1 && lab.random() < 0.2;
    if (!isRetried) handled.get(key)?.push(lab.text(delivery));
    if (!isRetried) left -= 1;
    held.delete(key);
    await settle(lab, member, [delivery], { action: isRetried ? 'retry' : 'ack' });
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
async function blocksItsKey(lab: Lab, transport: Transport): Promise<void> {
  await lab.send(transport, 'blocked', lab.messages(2, { orderingKey: 'k' }, 'k'));
  await lab.send(transport, 'blocked', lab.messages(1, { orderingKey: 'other' }, 'other'));
  const held = await lab.receive(transport, 'blocked', 2);
  lab.check.equal(texts(lab, held), ['k0', 'other0'], 'one of each key');
  await lab.nothing(transport, 'blocked', 50);
  await settle(lab, transport, held.slice(0, 1), { action: 'retry', delayMs: 200 });
  await lab.nothing(transport, 'blocked', 100);
  const again = await receiveOne(lab, transport, 'blocked');
  lab.check.equal([lab.text(again), again.attempt], ['k0', 2], 'messages after the delay');
  await settle(lab, transport, [again], { action: 'reject', reason: 'enough' });
  lab.check.equal(lab.text(await receiveOne(lab, transport, 'blocked')), 'k1', 'messages freed by the dead letter');
  await deadLetters(lab, transport, 'blocked', 1);
}
