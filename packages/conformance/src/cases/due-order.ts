/** Delay: messages come in the order in which they are due, within the declared granularity; without a delay as last. */

import type { Delivery, MessageInput, Settlement } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import { consume, idsOf, ROUNDING_MS, texts, waitUntil } from '../steps/consuming.ts';
import { assertCounts } from '../steps/queue-view.ts';

const COUNT = 40;
const FIRST_MS = 300;

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Delay', timeoutMs: 30_000 }, [
  {
    id: 'L9',
    title: 'delayed and retried messages that are due close to each other come in due order, within the granularity',
    rules: ['RQ4', 'RQ6'],
    async run(test) {
      const [transport, consumer] = [await test.transport(), await test.open()];
      const shuffled = shuffle(test);
      const messages = shuffled.map(
        (place): MessageInput => ({ body: Buffer.from(`${place}`), delayMs: delayOf(test, place) }),
      );
      const sent = await test.send(transport, 'awaited', messages);
      const got = await test.receive(consumer, 'awaited', COUNT, delayOf(test, COUNT) + 10_000);
      assertDueOrder(test, got, 'delayed messages, in a pending receive');
      const retries = got.map(
        ({ receipt }, at): Settlement => ({ receipt, action: 'retry', delayMs: delayOf(test, shuffled[at] ?? 0) }),
      );
      const retried = new Map(got.map((delivery, at) => [test.text(delivery), `${shuffled[at]}`]));
      await consumer.queues.settle(retries);
      const again = await consume(test, consumer, 'awaited', COUNT);
      const places = again.map((delivery) => ({ body: Buffer.from(retried.get(test.text(delivery)) ?? '') }));
      assertDueOrder(test, places, 'retries with a delay');
      const unwatched = await test.send(transport, 'unwatched', messages);
      await waitUntil(test, performance.now() + test.beyond(delayOf(test, COUNT)));
      await assertCounts(test, transport, 'unwatched', { delayed: 0 });
      assertDueOrder(test, await consume(test, consumer, 'unwatched', COUNT, 7), 'messages that became due unwatched');
      test.check.equal(test.recorder.lost(idsOf([...sent, ...unwatched])), [], 'lost');
    },
  },
  {
    id: 'L17',
    title: 'a message that is rescheduled to now goes behind the ready messages of its priority',
    rules: ['RQ4', 'RQ6'],
    needs: ['cancel'],
    async run(test, transport) {
      const named = (id: string, delayMs = 0): MessageInput => ({ id, delayMs, body: Buffer.from(id) });
      await test.send(transport, 'work', [
        named('delayed', 3_600_000),
        named('first'),
        named('second'),
        named('third'),
      ]);
      const moved = await transport.admin.reschedule('work', ['second', 'delayed', 'first'], 0);
      test.check.equal(
        moved.map(({ status }) => status),
        ['done', 'done', 'done'],
        'moved to now',
      );
      await test.send(transport, 'work', [named('last')]);
      const { messages } = await transport.admin.browse('work', { state: 'ready' });
      const order = ['third', 'second', 'delayed', 'first', 'last'];
      test.check.equal(
        messages.map(({ message }) => message.id),
        order,
        'the order in browse',
      );
      await transport.admin.reschedule('work', ['second'], 0);
      const got = await consume(test, await test.open(), 'work', order.length);
      test.check.equal(texts(test, got), ['third', 'delayed', 'first', 'last', 'second'], 'the order');
    },
  },
]);

/** The numbers from 0 to {@link COUNT}, in random order. */
function shuffle(test: TestContext): number[] {
  const keyed = Array.from({ length: COUNT }, (_, place) => ({ place, key: test.random() }));
  return keyed.sort((one, other) => one.key - other.key).map(({ place }) => place);
}

/** Five messages are due within the granularity, so that a wrong order is seen beyond it. */
function delayOf(test: TestContext, place: number): number {
  return FIRST_MS + place * stepOf(test);
}

function stepOf({ capabilities }: TestContext): number {
  return Math.max(5, Math.ceil(capabilities.granularityMs / 5));
}

/** No message comes after one that is due later by more than the granularity. */
function assertDueOrder(test: TestContext, got: readonly Pick<Delivery, 'body'>[], what: string): void {
  const places = texts(test, got).map(Number);
  let last = -1;
  for (const place of places) {
    const earlyMs = Math.max(0, last - place) * stepOf(test);
    const early = `${what}: ${last} came ${earlyMs} ms too early in ${places.join(' ')}`;
    test.check.ok(earlyMs <= test.beyond(ROUNDING_MS), early);
    last = Math.max(last, place);
  }
}
