/** Priority: strictly higher first, FIFO within one priority. */

import { setTimeout as pause } from 'node:timers/promises';
import type { MessageInput, Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import { assertAllRefused, tried } from '../inputs/bad-inputs.ts';
import { consume, fieldsOf, receiveOne, settle, texts } from '../steps/consuming.ts';
import { publish } from '../steps/event-log.ts';
import { assertCounts, deadLetters } from '../steps/queue-view.ts';

/** Time after which a receive waits for a notification. */
const IDLE_MS = 150;
const ALL = [3, 9, 0, 5, 4, 8, 1, 7, 2, 6];

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Priority' }, [
  {
    id: 'Q1',
    title: 'the ready message with the highest priority is delivered first',
    rules: ['RQ4'],
    smoke: true,
    async run(test, transport) {
      const priorities = test.capabilities.priorityLevels === 10 ? ALL : [4, 9, 0];
      for (const priority of priorities) await test.send(transport, 'line', [graded(priority)]);
      const sorted = [...priorities].sort((one, other) => other - one);
      const half = Math.ceil(priorities.length / 2);
      const first = await consume(test, transport, 'line', half, 1);
      await test.send(transport, 'line', [graded(9)]);
      const rest = await consume(test, await test.open(), 'line', priorities.length - half + 1);
      test.check.equal(fieldsOf(first, 'priority'), sorted.slice(0, half), 'priorities, one at a time');
      test.check.equal(fieldsOf(rest, 'priority'), [9, ...sorted.slice(half)], 'priorities, in one batch');
    },
  },
  {
    id: 'Q2',
    title: 'messages of one priority are delivered in FIFO order',
    rules: ['RQ4'],
    async run(test, transport) {
      const sent = test.messages(90).map((message, index) => ({ ...message, priority: [4, 0, 9][index % 3] ?? 4 }));
      for (let from = 0; from < sent.length; from += 10)
        await test.send(transport, 'line', sent.slice(from, from + 10));
      const wanted = [9, 4, 0].flatMap((level) => sent.filter(({ priority }) => priority === level));
      const { messages } = await transport.admin.browse('line', { limit: 1_000 });
      test.check.equal(texts(test, fieldsOf(messages, 'message')), texts(test, wanted), 'the order in browse');
      const got = await consume(test, transport, 'line', sent.length, 8);
      test.check.equal(texts(test, got), texts(test, wanted), 'the order');
    },
  },
  {
    id: 'Q3',
    title: 'a message keeps its priority after a retry, release, delay, lease expiry or redrive',
    rules: ['RQ4', 'RQ5'],
    async run(test, transport) {
      await transport.queues.configure('line', { leaseMs: 400 });
      await test.send(transport, 'line', [graded(4), graded(9)]);
      const next = async (how: string): ReturnType<typeof receiveOne> => {
        const delivery = await receiveOne(test, transport, 'line');
        test.check.equal(delivery.priority, 9, `the priority first ${how}`);
        return delivery;
      };
      await settle(test, transport, [await next('at the start')], { action: 'retry' });
      await settle(test, transport, [await next('after a retry')], { action: 'release' });
      await settle(test, transport, [await next('after a release')], { action: 'retry', delayMs: 50 });
      // Both are ready, so that only their order decides.
      await assertCounts(test, transport, 'line', { ready: 2 });
      await next('after a delay, and its lease expires');
      // Both are ready, so that only their order decides.
      await assertCounts(test, transport, 'line', { ready: 2 });
      await settle(test, transport, [await next('after its lease')], { action: 'reject' });
      await deadLetters(test, transport, 'line', 1);
      test.check.equal(await transport.admin.redrive('line'), 1, 'redriven');
      await next('after a redrive');
    },
  },
  {
    id: 'Q4',
    title: 'a priority outside 0 to 9 is refused before any message of the batch is stored',
    rules: ['RD2', 'RA1'],
    async run(test, transport) {
      const bad: unknown[] = [-1, 10, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '5', null, 5n];
      const send = ({ queues }: Transport, priority: never) =>
        queues.send('line', [...test.messages(2), { ...graded(4), priority }]);
      await assertAllRefused(test, transport, tried('priority', bad, send));
      test.check.equal(await transport.admin.queues(), [], 'queues created by refused sends');
    },
  },
  {
    id: 'Q5',
    title: '9 is the highest priority, 0 the lowest, 4 the default; also in bound queues',
    rules: ['RQ4', 'RT5'],
    async run(test, transport) {
      const near = test.capabilities.priorityLevels === 10 ? [graded(3), graded(5)] : [];
      const batch: MessageInput[] = [graded(0), ...near, { body: Buffer.from('none') }, graded(9)];
      await transport.topics.bind('bound', 'news');
      await test.send(transport, 'line', batch);
      await publish(test, transport, 'news', batch);
      const expected = near.length > 0 ? [9, 5, 4, 3, 0] : [9, 4, 0];
      const sent = await test.receive(transport, 'line', batch.length);
      test.check.equal(fieldsOf(sent, 'priority'), expected, 'priorities of sent messages');
      await assertCounts(test, transport, 'bound', { ready: batch.length });
      const bound = await test.receive(transport, 'bound', batch.length);
      test.check.equal(fieldsOf(bound, 'priority'), expected, 'priorities of published events');
    },
  },
  {
    id: 'Q6',
    title: 'a low priority waits for ready messages of a higher priority, and for nothing else',
    rules: ['RQ4'],
    async run(test) {
      const [transport, other] = [await test.transport(), await test.open()];
      await test.send(transport, 'line', [graded(0, 'low')]);
      await test.send(transport, 'line', test.messages(20, { priority: 9 }, 'high'));
      await test.send(transport, 'line', test.messages(3, { priority: 9, delayMs: 3_600_000 }, 'delayed'));
      const high = await test.receive(other, 'line', 20);
      test.check.every(high, ({ priority }) => priority === 9, 'a ready message of higher priority is first');
      const began = performance.now();
      const low = test.text(await receiveOne(test, transport, 'line'));
      test.check.equal(low, 'low', 'messages beside leased and delayed ones');
      test.check.between(performance.now() - began, 0, 2_000, 'the wait of the low one');
    },
  },
  {
    id: 'Q7',
    title: 'a message of any priority wakes a receive that waits in another process',
    rules: ['RQ4', 'RQ8'],
    timeoutMs: 40_000,
    async run(test) {
      const [sender, client] = [await test.transport(), await test.open()];
      const receivers: Pick<Transport['queues'], 'receive'>[] = [client.queues];
      if (test.harnessFeatures.has('processes')) receivers.push(await test.process());
      for (const [at, receiver] of receivers.entries()) {
        for (const priority of [9, 4, 0, 9]) {
          const waiting = receiver.receive(`line.${at}`, { waitMs: 12_000 });
          await pause(IDLE_MS);
          const began = performance.now();
          await test.send(sender, `line.${at}`, [graded(priority)]);
          const got = (await waiting).map((delivery) => delivery.priority);
          test.check.equal(got, [priority], `the priority that woke receiver ${at}`);
          test.check.between(performance.now() - began, 0, 5_000, 'the wake-up');
        }
      }
    },
  },
]);

function graded(priority: number, text = `p${priority}`): MessageInput {
  return { priority, body: Buffer.from(text) };
}
