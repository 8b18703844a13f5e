/** State transfer: counts of queues, messages with one id, and the order of ordering keys. */

import type { MessageInput, Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import { consume, receiveOne, settle, texts, waitUntil } from '../steps/consuming.ts';
import { assertCounts, queueInfo } from '../steps/queue-view.ts';
import { assertMoveRefused, exportAll, forgetIds, moveState } from '../steps/state-transfer.ts';

const HOUR_MS = 3_600_000;

const shared = { group: 'State transfer', refused: assertMoveRefused } as const;

export const cases: readonly ConformanceCase[] = defineCases(shared, [
  {
    id: 'J35',
    title: 'the totals of a queue go on after a move',
    rules: ['RA7'],
    needs: ['exportState'],
    async run(test, transport) {
      await test.send(transport, 'work', test.messages(4));
      await test.send(transport, 'work', test.messages(1, { ttlMs: 1 }, 'short'));
      const isExpired = async (): Promise<boolean> => (await queueInfo(transport, 'work')).totals.expired === 1;
      await test.until('the short one to expire', isExpired);
      const [done, bad] = await test.receive(transport, 'work', 2);
      await test.ack(transport, done ? [done] : []);
      await settle(test, transport, bad ? [bad] : [], { action: 'reject' });
      const records = await moveState(test, transport);
      const before = { sent: 5, done: 1, dead: 1, expired: 1 };
      test.check.equal((await queueInfo(transport, 'work')).totals, before, 'totals after the move');
      await test.ack(transport, await test.receive(transport, 'work', 2));
      await test.send(transport, 'work', test.messages(1, {}, 'new'));
      const after = { ...before, sent: 6, done: 3 };
      test.check.equal((await queueInfo(transport, 'work')).totals, after, 'totals after more work');
      await transport.admin.importState(records.filter(({ kind }) => kind === 'queue'));
      test.check.equal((await queueInfo(transport, 'work')).totals, after, 'totals after a second import');
    },
  },
  {
    id: 'J36',
    title: 'messages that were sent with one id, each after the window of the one before, move one by one',
    rules: ['RA7', 'RQ7'],
    needs: ['exportState', 'cancel'],
    async run(test, transport) {
      const send = async (name: string, fields: Partial<MessageInput> = {}): Promise<void> => {
        await forgetIds(transport);
        await waitUntil(test, performance.now() + 2);
        await test.send(transport, 'work', test.messages(1, { id: 'same', ...fields }, name));
      };
      await send('dead');
      await settle(test, transport, [await receiveOne(test, transport, 'work')], { action: 'reject' });
      await send('ready');
      await send('later', { delayMs: HOUR_MS });
      await moveState(test, transport);
      await assertCounts(test, transport, 'work', { ready: 1, delayed: 1, dead: 1 });
      test.check.equal(await transport.admin.importState(await exportAll(transport)), 0, 'new when imported again');
      test.check.equal(texts(test, await consume(test, transport, 'work', 1)), ['ready0'], 'the ready one');
      const [cancelled] = await transport.admin.cancel('work', ['same']);
      test.check.equal(cancelled?.status, 'done', 'the delayed one is cancelled');
      await assertCounts(test, transport, 'work', { ready: 0, delayed: 0, dead: 1 });
    },
  },
  {
    id: 'J37',
    title: 'messages of one ordering key keep their order in a move, also where one of them is delayed',
    rules: ['RA7', 'RQ4', 'RQ6'],
    needs: ['exportState', 'orderingKeys', 'cancel'],
    async run(test, transport) {
      const send = async (queue: string, delays: readonly number[]): Promise<void> => {
        const messages = test.messages(delays.length, { orderingKey: 'k' }, 'k');
        const delayed = messages.map((message, at) => ({ ...message, id: `${queue}${at}`, delayMs: delays[at] ?? 0 }));
        await test.send(transport, queue, delayed);
      };
      await send('first', [HOUR_MS, 0]);
      await send('second', [0, HOUR_MS, 0]);
      await send('retried', [0, 0]);
      const retry = { action: 'retry', delayMs: HOUR_MS } as const;
      await settle(test, transport, [await receiveOne(test, transport, 'retried')], retry);
      await moveState(test, transport);
      test.check.equal(texts(test, await consume(test, transport, 'second', 1)), ['k0'], 'before the delayed one');
      for (const queue of ['first', 'second', 'retried']) await test.nothing(transport, queue, 50);
      await transport.admin.reschedule('second', ['second1'], 0);
      test.check.equal(texts(test, await consume(test, transport, 'second', 2)), ['k1', 'k2'], 'the delayed one first');
      await freed(test, transport, 'first');
      await freed(test, transport, 'retried');
    },
  },
  {
    id: 'J38',
    title: 'events of one id from several topics, and a message that was sent with it, all move',
    rules: ['RA7', 'RQ7', 'RT5'],
    needs: ['exportState'],
    async run(test, transport) {
      const same = (name: string): MessageInput => ({ ...test.messages(1, { id: 'same' }, name)[0] }) as MessageInput;
      for (const topic of ['orders.made', 'orders.paid']) await transport.topics.publish(topic, [same(topic)]);
      await transport.topics.bind('work', 'orders.*', { from: 'start' });
      const isReady = async (count: number): Promise<boolean> => (await queueInfo(transport, 'work')).ready === count;
      await test.until('the history', () => isReady(2));
      await test.send(transport, 'work', [same('sent')]);
      for (const topic of ['orders.packed', 'orders.sent']) await transport.topics.publish(topic, [same(topic)]);
      await test.until('all of them', () => isReady(5));
      await moveState(test, transport);
      test.check.equal(await transport.admin.importState(await exportAll(transport)), 0, 'new when imported again');
      const expected = ['orders.made0', 'orders.paid0', 'sent0', 'orders.packed0', 'orders.sent0'];
      test.check.equal(texts(test, await consume(test, transport, 'work', 5)), expected, 'all, in order');
    },
  },
  {
    id: 'J39',
    title: 'delayed messages of an open store keep their order in an export, however long it takes',
    rules: ['RA7', 'RQ6'],
    needs: ['exportState'],
    async run(test, transport) {
      const messages = test.messages(450, { delayMs: HOUR_MS });
      for (let from = 0; from < messages.length; from += 90) {
        await test.send(transport, 'work', messages.slice(from, from + 90));
      }
      const delayed = async (): Promise<string[]> => {
        const page = await transport.admin.browse('work', { state: 'delayed', limit: 1_000 });
        return page.messages.map(({ message }) => message.id);
      };
      const before = await delayed();
      await moveState(test, transport);
      test.check.equal(await delayed(), before, 'the delayed ones');
    },
  },
]);

/** The message behind a delayed one comes when that is cancelled. */
async function freed(test: TestContext, transport: Transport, queue: string): Promise<void> {
  const [cancelled] = await transport.admin.cancel(queue, [`${queue}0`]);
  test.check.equal(cancelled?.status, 'done', `the delayed one of ${queue} is cancelled`);
  test.check.equal(texts(test, await consume(test, transport, queue, 1)), ['k1'], `the next one of ${queue}`);
}
