/** Delay: never early, only a little late, and independent of the wall clock. */

import type { Delivery, MessageInput, PendingResult, Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import { withWallClock } from '../context/wall-clock.ts';
import { assertDeliveredOnce, consume, idsOf, ROUNDING_MS, receiveOne, texts, waitUntil } from '../steps/consuming.ts';
import { assertCounts } from '../steps/queue-view.ts';

const HOUR_MS = 3_600_000;
/** Additional lateness allowed on a busy machine. */
const SLACK_MS = 3_000;

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Delay' }, [
  {
    id: 'L1',
    title:
      'a delayed message is delivered when it is due, not before and only a little late, also to a pending receive',
    rules: ['RQ6'],
    smoke: true,
    async run(test) {
      const [transport, other] = [await test.transport(), await test.open()];
      for (const delayMs of [60, 250, 500]) {
        const waiting = receiveOne(test, other, 'work');
        const began = performance.now();
        await test.send(transport, 'work', test.messages(1, { delayMs }));
        await test.ack(other, [await waiting]);
        const tookMs = performance.now() - began;
        test.check.between(
          tookMs,
          delayMs - ROUNDING_MS,
          test.beyond(delayMs) + SLACK_MS,
          `a delay of ${delayMs} ms took`,
        );
      }
      await test.send(transport, 'work', [...test.messages(1, { delayMs: HOUR_MS }), ...test.messages(1, {}, 'now')]);
      test.check.equal(test.text(await receiveOne(test, other, 'work')), 'now0', 'message ahead of a delayed one');
      await test.nothing(other, 'work', 100);
      await assertCounts(test, transport, 'work', { delayed: 1, ready: 0, leased: 1 });
      const { messages } = await other.admin.browse('work', { state: 'delayed' });
      test.check.equal(messages.length, 1, 'delayed messages in browse');
      test.check.between(messages[0]?.delayLeftMs ?? 0, HOUR_MS - 60_000, HOUR_MS, 'remaining delay');
    },
  },
  {
    id: 'L2',
    title: 'no delay and a past time mean now; a negative delay is refused',
    rules: ['RQ6', 'RD2'],
    async run(test) {
      const [bus, transport] = [await test.bus(), await test.transport()];
      await test.send(transport, 'work', test.messages(1, { delayMs: 0 }));
      const got = await transport.queues.receive('work', { waitMs: 0 });
      test.check.equal(texts(test, got), ['m0'], 'messages ready at once');
      for (const delayMs of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
        const bad = [...test.messages(1), ...test.messages(1, { delayMs })];
        await test.check.rejects(transport.queues.send('work', bad), 'INVALID_ARGUMENT', `a delay of ${delayMs}`);
      }
      const { id } = await bus.enqueue('work', 'late', { runAt: new Date(Date.now() - HOUR_MS) });
      const [late] = await transport.queues.receive('work', { max: 10, waitMs: 2_000 });
      test.check.equal(late?.id, id, 'a task with a past time');
      await assertCounts(test, transport, 'work', { ready: 0, delayed: 0, leased: 2 });
    },
  },
  {
    id: 'L10',
    title: 'a consumer that asks again and again gets no delayed or retried message early',
    rules: ['RQ6', 'RQ2'],
    async run(test) {
      const [transport, other, third] = [await test.transport(), await test.open(), await test.open()];
      let polls = 0;
      const pollUntilDue = async (began: number, delayMs: number): Promise<Delivery> => {
        const deadline = began + test.beyond(delayMs) + SLACK_MS;
        while (performance.now() < deadline) {
          polls += 1;
          const [delivery] = await (polls % 2 === 0
            ? other.queues.receive('work', { waitMs: 5 })
            : third.queues.receive('work'));
          if (delivery === undefined) continue;
          test.check.ok(
            performance.now() - began >= delayMs - ROUNDING_MS,
            `a delay of ${delayMs} ms is not cut short`,
          );
          return delivery;
        }
        return test.check.fail(`nothing came after ${delayMs} ms`);
      };
      for (const delayMs of [200, 400]) {
        let began = performance.now();
        await test.send(transport, 'work', test.messages(1, { delayMs }));
        const first = await pollUntilDue(began, delayMs);
        began = performance.now();
        const [settled] = await third.queues.settle([{ receipt: first.receipt, action: 'retry', delayMs }]);
        test.check.equal(settled?.status, 'done', 'a retry by another client');
        const second = await pollUntilDue(began, delayMs);
        test.check.equal([second.id, second.attempt], [first.id, 2], 'the retried message');
        await test.ack(other, [second]);
      }
    },
  },
  {
    id: 'L3',
    title: 'delayed messages are delivered in the order of their due times',
    rules: ['RQ4', 'RQ6'],
    async run(test, transport) {
      const step = 60 + 2 * test.capabilities.granularityMs;
      const places = [4, 1, 3, 0, 5, 2];
      const sent = places.map(
        (place): MessageInput => ({ body: Buffer.from(`${place}`), delayMs: step * (place + 2) }),
      );
      await test.send(transport, 'work', sent);
      const { messages } = await transport.admin.browse('work', { state: 'delayed' });
      const shown = messages.map(({ message }) => test.text(message));
      test.check.equal(shown, [...shown].sort(), 'the order in browse');
      const got = await consume(test, await test.open(), 'work', 3, 1);
      await waitUntil(test, performance.now() + test.beyond(step * 4));
      got.push(...(await consume(test, transport, 'work', 3)));
      test.check.equal(texts(test, got), ['0', '1', '2', '3', '4', '5'], 'the order');
    },
  },
  {
    id: 'L4',
    title: 'a delay continues across a restart: nothing is lost, early, or delayed again',
    rules: ['RQ6', 'RD1'],
    harnessFeatures: ['reopen'],
    async run(test, before) {
      const began = performance.now();
      await test.send(before, 'work', test.messages(1, { delayMs: 1_500 }, 'soon'));
      await test.send(before, 'work', test.messages(1, { delayMs: HOUR_MS }, 'later'));
      const after = await test.reopen();
      const got = await receiveOne(test, after, 'work', test.beyond(1_500) + SLACK_MS);
      const tookMs = performance.now() - began;
      test.check.between(tookMs, 1_500 - ROUNDING_MS, test.beyond(1_500) + SLACK_MS, 'the delay');
      test.check.equal(test.text(got), 'soon0', 'due message');
      const { messages } = await after.admin.browse('work', { state: 'delayed' });
      const left = messages.map(({ delayLeftMs }) => delayLeftMs ?? 0);
      test.check.between(left[0] ?? 0, HOUR_MS - 60_000, HOUR_MS - 1_000, 'remaining long delay');
    },
  },
  {
    id: 'L5',
    title: 'a message that is not leased can be cancelled and rescheduled; a leased one cannot',
    rules: ['RQ6', 'RQ7'],
    needs: ['cancel'],
    async run(test) {
      const [transport, operator] = [await test.transport(), await test.open()];
      const named = (id: string, delayMs: number): MessageInput => ({ id, delayMs, body: Buffer.from(id) });
      const delays = { taken: 0, ready: 0, delayed: HOUR_MS, sooner: HOUR_MS, later: 200, postponed: 0 };
      for (const [id, delayMs] of Object.entries(delays)) {
        await test.send(transport, 'work', [named(id, delayMs)]);
        if (id === 'taken') await receiveOne(test, transport, 'work');
      }
      const cancelled = await operator.admin.cancel('work', ['ready', 'delayed', 'taken', 'no-such-id']);
      const statuses = cancelled.map(({ id, status }) => `${id} ${status}`);
      test.check.equal(statuses, ['ready done', 'delayed done', 'taken started', 'no-such-id not-found'], 'cancelled');
      const later = await operator.admin.reschedule('work', ['later', 'postponed'], HOUR_MS);
      const waiting = receiveOne(test, transport, 'work');
      const sooner = await operator.admin.reschedule('work', ['sooner', 'taken', 'ready'], 0);
      test.check.equal(statusesOf(later), ['done', 'done'], 'put off');
      test.check.equal(statusesOf(sooner), ['done', 'started', 'not-found'], 'moved to now');
      test.check.equal(test.text(await waiting), 'sooner', 'ready message');
      await test.nothing(transport, 'work', test.beyond(300));
      await assertCounts(test, transport, 'work', { ready: 0, delayed: 2, leased: 2, dead: 0 });
      const [again] = await transport.queues.send('work', [named('ready', 0)]);
      test.check.equal(again?.status, 'duplicate', 'a cancelled id stays known to dedupe');
    },
    async refused(test) {
      const { admin, queues } = await test.transport();
      await queues.send('work', test.messages(1, { id: 'x', delayMs: HOUR_MS }));
      await test.check.rejects(admin.cancel('work', ['x']), 'UNSUPPORTED', 'cancel');
      await test.check.rejects(admin.reschedule('work', ['x'], 0), 'UNSUPPORTED', 'reschedule');
      await assertCounts(test, await test.transport(), 'work', { delayed: 1, ready: 0 });
    },
  },
  {
    id: 'L6',
    title: 'setting the wall clock, or wrong clocks of clients, changes no delay, lease or time to live',
    rules: ['RQ6'],
    needs: ['monotonicClock'],
    async run(test) {
      const right = await test.open();
      await withWallClock(0, async (clock) => {
        const wrong = await test.open();
        await wrong.kv.put('held', Buffer.from('x'), { ttlMs: 60_000 });
        await test.send(wrong, 'held', test.messages(1, { ttlMs: 60_000 }));
        await receiveOne(test, wrong, 'held');
        for (const offsetMs of [HOUR_MS, -HOUR_MS, 24 * HOUR_MS]) {
          const began = performance.now();
          await test.send(wrong, 'work', test.messages(1, { delayMs: 400 }, 'sent before'));
          clock.offsetMs = offsetMs;
          await clock.outside(() => test.send(right, 'work', test.messages(1, { delayMs: 400 }, 'sent after')));
          await assertDue(test, wrong, began, 400);
          await clock.outside(() => assertDue(test, right, began, 400));
        }
        await clock.outside(() => test.nothing(right, 'held', 50));
        test.check.ok(
          await wrong.kv.get('held'),
          'a key with a ttl of a minute exists for the client with the wrong clock',
        );
      });
      if (test.harnessFeatures.has('processes')) await assertOtherProcess(test, right);
    },
    async refused(test) {
      test.check.ok(test.capabilities.reasons.monotonicClock, 'the reason of `monotonicClock`');
      await withWallClock(0, async (clock) => {
        const client = await test.open();
        for (const offsetMs of [HOUR_MS, -HOUR_MS]) {
          await test.send(client, 'work', test.messages(1, { delayMs: 200 }));
          clock.offsetMs = offsetMs;
          await waitUntil(test, performance.now() + 50);
          clock.offsetMs = 0;
          await test.ack(client, [await receiveOne(test, client, 'work', test.beyond(200) + SLACK_MS)]);
        }
        await test.nothing(client, 'work', 50);
      });
    },
  },
  {
    id: 'L7',
    title: 'messages that become due without a consumer are delivered to the next one, in order',
    rules: ['RQ6', 'RQ4'],
    async run(test) {
      const [sender, consumer] = [await test.transport(), await test.open()];
      const step = 40 + 2 * test.capabilities.granularityMs;
      const sent = [2, 0, 1].map((place) => ({ body: Buffer.from(`${place}`), delayMs: 100 + step * place }));
      const results = await test.send(sender, 'work', sent);
      const dueAt = performance.now() + test.beyond(100 + step * 2);
      await consumer.close();
      await waitUntil(test, dueAt + ROUNDING_MS);
      const next = await test.open();
      const got = await next.queues.receive('work', { max: 10, waitMs: SLACK_MS });
      test.recorder.add(got);
      if (got.length < 3) got.push(...(await test.receive(next, 'work', 3 - got.length)));
      test.check.equal(texts(test, got), ['0', '1', '2'], 'the order');
      assertDeliveredOnce(test, idsOf(results));
    },
  },
  {
    id: 'L8',
    title: 'of ten thousand delayed messages none is early, and none is later than the bound',
    rules: ['RQ6'],
    timeoutMs: 60_000,
    load: 'alone',
    async run(test) {
      const [transport, consumer] = [await test.transport(), await test.open()];
      for (let batch = 0; batch < 9; batch += 1) {
        await test.send(transport, 'work', test.messages(1_000, { delayMs: HOUR_MS + batch }, 'far'));
      }
      const began = performance.now();
      const near = test.messages(1_000).map((message, at) => ({ ...message, delayMs: 800 + at }));
      const ids = idsOf(await test.send(transport, 'work', near));
      const sentAt = performance.now();
      const come = await consumeTimed(test, consumer, near.length);
      for (const [text, at] of come) {
        const delayMs = 800 + Number(text.slice(1));
        test.check.between(at, began + delayMs - ROUNDING_MS, sentAt + test.beyond(delayMs) + SLACK_MS, 'arrival time');
      }
      assertDeliveredOnce(test, ids);
      await assertCounts(test, transport, 'work', { delayed: 9_000, ready: 0, leased: 0 });
    },
  },
]);

/** Receives and acks `count` messages. Returns their bodies and arrival times. */
async function consumeTimed(
  test: TestContext,
  consumer: Transport,
  count: number,
): Promise<(readonly [string, number])[]> {
  const come: (readonly [string, number])[] = [];
  while (come.length < count) {
    const deliveries = await consumer.queues.receive('work', { max: 1_000, waitMs: SLACK_MS });
    const now = performance.now();
    test.check.ok(deliveries.length > 0, `received ${come.length} of ${count}, then nothing for ${SLACK_MS} ms`);
    test.recorder.add(deliveries);
    come.push(...texts(test, deliveries).map((text) => [text, now] as const));
    await test.ack(consumer, deliveries);
  }
  return come;
}

function statusesOf(results: readonly PendingResult[]): string[] {
  return results.map(({ status }) => status);
}

async function assertDue(test: TestContext, receiver: Transport, began: number, delayMs: number): Promise<void> {
  await test.ack(receiver, [await receiveOne(test, receiver, 'work', test.beyond(delayMs) + SLACK_MS)]);
  const tookMs = performance.now() - began;
  test.check.between(
    tookMs,
    delayMs - ROUNDING_MS,
    test.beyond(delayMs) + 2 * SLACK_MS,
    'a delay while clocks are wrong',
  );
}

/** The same with a process whose clock is wrong from the start. */
async function assertOtherProcess(test: TestContext, right: Transport): Promise<void> {
  const other = await test.process();
  for (const offsetMs of [HOUR_MS, -HOUR_MS]) {
    await other.shiftClock(offsetMs);
    const began = performance.now();
    await other.send('work', test.messages(1, { delayMs: 400 }));
    await assertDue(test, right, began, 400);
    // Measured from before the send: on a busy machine its reply may be late although the message is on time.
    const sentAt = performance.now();
    await test.send(right, 'work', test.messages(1, { delayMs: 300 }, 'from here'));
    const [early] = await other.receive('work', { waitMs: 150 });
    test.check.ok(
      early === undefined || performance.now() - sentAt >= 300 - ROUNDING_MS,
      'no message is early in the other process',
    );
    if (early === undefined) await test.ack(right, [await receiveOne(test, right, 'work')]);
  }
}
