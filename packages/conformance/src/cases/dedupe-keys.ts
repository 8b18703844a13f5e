/** Dedupe: the newest task of a key, and what a second attempt of a handler sends. */

import { type Bus, openBus, type TaskHandle } from '@busbar/api';
import { type ConformanceCase, defineCases } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import { withWallClock } from '../context/wall-clock.ts';
import { withStall } from '../faults/stalled-schedules.ts';
import { consume, fieldsOf, ROUNDING_MS, receiveOne, settle, texts } from '../steps/consuming.ts';
import { assertCounts, deadLetters } from '../steps/queue-view.ts';
import { LONG_TIMEOUT } from '../steps/requesting.ts';
import { assertMoveRefused, forgetIds } from '../steps/state-transfer.ts';

const HOUR_MS = 3_600_000;
const DEBOUNCE_MS = 400;

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Dedupe' }, [
  {
    id: 'U9',
    title: 'status and result are of the newest task with a dedupe key, not of a dead letter before it',
    rules: ['RQ7', 'RQ5'],
    needs: ['exportState'],
    async run(test, transport) {
      const [bus, other] = [await test.bus(), await test.bus()];
      const outcomes: (() => unknown)[] = [];
      const worker = await bus.process('jobs', () => outcomes.shift()?.(), { maxAttempts: 1 });
      const fail = (text: string) => (): never => {
        throw new Error(text);
      };
      outcomes.push(fail('the first failure'));
      // Its sender has a clock that is ahead of those of the others.
      const first = await withWallClock(HOUR_MS, () => bus.enqueue('jobs', 1, { dedupeKey: 'daily' }));
      await test.check.rejects(first.result(LONG_TIMEOUT), 'HANDLER_FAILED', 'the first task');
      await forgetIds(transport);
      worker.pause();
      const second = await other.enqueue('jobs', 2, { dedupeKey: 'daily' });
      test.check.equal([second.isDuplicate, await second.status()], [false, 'queued'], 'the second task');
      outcomes.push(() => 'fine');
      worker.resume();
      test.check.equal(await second.result(LONG_TIMEOUT), 'fine', 'its result');
      const anywhere = bus.task('jobs', second.id);
      test.check.equal([await anywhere.status(), await second.status()], ['done', 'done'], 'status after it');
      test.check.equal(await anywhere.result(LONG_TIMEOUT), 'fine', 'the result by another handle');
      await forgetIds(transport);
      outcomes.push(fail('the last failure'));
      const third = await other.enqueue('jobs', 3, { dedupeKey: 'daily' });
      const error = await test.check.rejects(third.result(LONG_TIMEOUT), 'HANDLER_FAILED', 'the third task');
      test.check.ok(error.message.includes('the last failure'), `the text of the error: ${error.message}`);
      const late = await test.check.rejects(bus.task('jobs', third.id).result(LONG_TIMEOUT), 'HANDLER_FAILED', 'again');
      test.check.ok(late.message.includes('the last failure'), `the text by another handle: ${late.message}`);
      test.check.equal(await bus.task('jobs', third.id).status(), 'dead', 'status after the third');
      await deadLetters(test, transport, 'jobs', 2);
    },
  },
  {
    id: 'U10',
    title: 'what a handler sends at its second attempt is sent once if it is equal, and is a new message if it differs',
    rules: ['RQ7', 'RQ1'],
    async run(test, transport) {
      const bus = await test.bus();
      await transport.topics.bind('told', 'said');
      await bus.process(
        'in',
        async (_task, context) => {
          const said = context.attempt === 1 ? ['plan', 'draft', 'draft'] : ['draft', 'plan', 'final', 'draft'];
          for (const text of said) {
            await context.enqueue('out', { text });
            await context.publish('said', { text });
          }
          if (context.attempt === 1) throw new Error('after sending, before the ack');
        },
        { retry: { baseMs: 0 } },
      );
      await bus.enqueue('in');
      const expected = ['draft', 'draft', 'final', 'plan'].map((text) => JSON.stringify({ text }));
      for (const queue of ['out', 'told']) {
        const got = await consume(test, transport, queue, expected.length);
        test.check.equal(texts(test, got).sort(), expected, `messages of ${queue}`);
        await test.nothing(transport, queue, 100);
      }
    },
  },
  {
    id: 'U12',
    title: 'status and result of a task do not depend on the clocks of its sender and its readers',
    rules: ['RQ7', 'RQ5'],
    async run(test) {
      const [bus, other] = [await test.bus(), await test.bus()];
      const work = ({ body }: { readonly body: unknown }): unknown => {
        if (body === 'fail') throw new Error('it failed');
        return body;
      };
      await other.process('jobs', work, { maxAttempts: 1 });
      for (const offsetMs of [HOUR_MS, -HOUR_MS]) {
        for (const options of [{}, { dedupeKey: `key ${offsetMs}` }]) {
          await withWallClock(offsetMs, async () => {
            const failed = await bus.enqueue('jobs', 'fail', options);
            const error = await test.check.rejects(failed.result(LONG_TIMEOUT), 'HANDLER_FAILED', 'a dead task');
            test.check.ok(error.message.includes('it failed'), `its text: ${error.message}`);
            test.check.equal(await failed.status(), 'dead', 'its status');
            test.check.equal(await other.task('jobs', failed.id).status(), 'dead', 'its status by another handle');
          });
        }
        const done = await withWallClock(offsetMs, () => bus.enqueue('jobs', 'fine'));
        test.check.equal(
          [await done.result(LONG_TIMEOUT), await done.status()],
          ['fine', 'done'],
          'a task that is done',
        );
      }
    },
  },
  {
    id: 'U13',
    title: 'an operator changes a message and an earlier dead letter with its id independently of each other',
    rules: ['RQ7', 'RQ5', 'RQ6'],
    needs: ['exportState', 'cancel'],
    async run(test, transport) {
      const operator = await test.open();
      const [old, fresh] = [
        test.messages(1, { id: 'x' }, 'old'),
        test.messages(1, { id: 'x', delayMs: HOUR_MS }, 'new'),
      ];
      const queues = ['cancelled', 'rescheduled', 'purged', 'redriven'];
      for (const queue of queues) {
        await test.send(transport, queue, old);
        await settle(test, transport, [await receiveOne(test, transport, queue)], { action: 'reject' });
      }
      await forgetIds(transport);
      for (const queue of queues) await test.send(transport, queue, fresh);
      const [cancelled] = await operator.admin.cancel('cancelled', ['x']);
      test.check.equal(cancelled?.status, 'done', 'the message that is cancelled');
      await assertCounts(test, transport, 'cancelled', { delayed: 0, dead: 1 });
      const [rescheduled] = await operator.admin.reschedule('rescheduled', ['x'], 0);
      test.check.equal(rescheduled?.status, 'done', 'the message that is rescheduled');
      test.check.equal(texts(test, await consume(test, transport, 'rescheduled', 1)), ['new0'], 'what comes');
      await assertCounts(test, transport, 'rescheduled', { dead: 1 });
      test.check.equal(await operator.admin.purge('purged', { state: 'dead', ids: ['x'] }), 1, 'purged');
      await assertCounts(test, transport, 'purged', { delayed: 1, dead: 0 });
      test.check.equal(await operator.admin.redrive('redriven', { ids: ['x'] }), 1, 'redriven');
      test.check.equal(texts(test, await consume(test, transport, 'redriven', 1)), ['old0'], 'what comes back');
      await assertCounts(test, transport, 'redriven', { delayed: 1, dead: 0 });
      for (const queue of queues) {
        const [again] = await transport.queues.send(queue, test.messages(1, { id: 'x' }, 'again'));
        test.check.equal(again?.status, 'duplicate', `the id in ${queue} stays known`);
      }
    },
  },
  {
    id: 'U14',
    title: 'a key that holds until its task is done refuses another task after the dedupe window, and then takes one',
    rules: ['RQ7'],
    needs: ['exportState'],
    async run(test, transport) {
      const [bus, other] = [await test.bus(), await test.bus()];
      const options = { dedupeKey: 'nightly', dedupeUntilDone: true };
      const first = await bus.enqueue('jobs', 1, { ...options, delayMs: HOUR_MS });
      await forgetIds(transport);
      const second = await other.enqueue('jobs', 2, options);
      test.check.equal([second.isDuplicate, second.id], [true, first.id], 'beside a delayed one');
      test.check.equal(await first.reschedule(0), true, 'rescheduled');
      const [task] = await bus.takeTasks('jobs', { waitMs: 5_000 });
      const [third] = await other.enqueueAll('jobs', [3], () => options);
      test.check.equal([task?.body, third?.isDuplicate], [1, true], 'beside a running one');
      await task?.done('result');
      await forgetIds(transport);
      const fourth = await other.enqueue('jobs', 4, options);
      test.check.equal([fourth.isDuplicate, await fourth.status()], [false, 'queued'], 'after it was done');
      await assertCounts(test, transport, 'jobs', { ready: 1, delayed: 0, leased: 0, dead: 0 });
    },
    refused: assertMoveRefused,
  },
  {
    id: 'U15',
    title: 'the last task of a key replaces the waiting one, also from several buses at once; a started one goes on',
    rules: ['RQ1', 'RE1'],
    needs: ['cancel'],
    async run(test, transport) {
      const buses = [await test.bus(), await test.bus(), await test.bus()] as const;
      const replaceKey = 'build';
      const all = Array.from({ length: 12 }, (_, body) =>
        (buses[body % 3] ?? buses[0]).enqueue('jobs', body, { replaceKey, delayMs: HOUR_MS }),
      );
      const handles = await Promise.all(all);
      const states = await Promise.all(handles.map((handle) => handle.status()));
      test.check.equal(
        states.filter((state) => state !== 'cancelled'),
        ['delayed'],
        'those that are not replaced',
      );
      await assertCounts(test, transport, 'jobs', { ready: 0, delayed: 1, leased: 0, dead: 0 });
      const replaced = handles[states.indexOf('cancelled')];
      if (replaced === undefined) return test.check.fail('no task was replaced');
      const error = await test.check.rejects(replaced.result(LONG_TIMEOUT), 'ABORTED', 'the result of a replaced task');
      test.check.ok(error.message.includes('replaced by'), `its reason: ${error.message}`);
      const now = await buses[1].enqueue('jobs', 'now', { replaceKey });
      const [started] = await buses[0].takeTasks('jobs', { waitMs: 5_000 });
      test.check.equal(started?.id, now.id, 'the task that is taken');
      await buses[2].enqueue('jobs', 'next', { replaceKey });
      await assertCounts(test, transport, 'jobs', { ready: 1, delayed: 0, leased: 1, dead: 0 });
    },
    refused: refusesReplaceKey,
  },
  {
    id: 'U17',
    title: 'a process that stands still between a task and the end of the one that it replaces loses neither',
    rules: ['RQ1', 'RE1'],
    needs: ['cancel'],
    async run(test, transport) {
      const bus = await test.bus();
      const options = { replaceKey: 'build', delayMs: HOUR_MS };
      const first = await bus.enqueue('jobs', 'first', options);
      const stalled = withStall(await test.open(), 'before the record', '$task/#replace/');
      test.defer(stalled.goOn);
      const slow = openBus(stalled.transport, { onError: () => undefined, ownsTransport: false });
      test.defer(() => slow.close({ drainMs: 0 }));
      const sent = slow.enqueue('jobs', 'second', options);
      await stalled.reached;
      test.check.equal(await first.status(), 'delayed', 'the task that is to be replaced');
      await assertCounts(test, transport, 'jobs', { ready: 0, delayed: 2, leased: 0, dead: 0 });
      const third = await bus.enqueue('jobs', 'third', options);
      test.check.equal([await first.status(), await third.status()], ['cancelled', 'delayed'], 'after another one');
      stalled.goOn();
      const second = await sent;
      test.check.equal([await second.status(), await third.status()], ['delayed', 'cancelled'], 'when it goes on');
      await assertCounts(test, transport, 'jobs', { ready: 0, delayed: 1, leased: 0, dead: 0 });
    },
    refused: refusesReplaceKey,
  },
  {
    id: 'U22',
    title: 'a debounce runs the last task of its key once, after the delay of that task, and then begins again',
    rules: ['RQ1', 'RQ6', 'RE1'],
    needs: ['cancel'],
    async run(test, transport) {
      const [bus, other] = [await test.bus(), await test.bus()];
      const ran: { readonly body: unknown; readonly at: number }[] = [];
      const work = ({ body }: { readonly body: unknown }): void => void ran.push({ body, at: performance.now() });
      await bus.process('jobs', work);
      for (const [round, sender] of [bus, other].entries()) {
        const send = (one: Bus, body: string, delayMs: number): Promise<TaskHandle> =>
          one.enqueue('jobs', body, { replaceKey: 'build', delayMs });
        const replaced = await Promise.all([bus, other, bus].map((one) => send(one, 'early', HOUR_MS)));
        const sentAt = performance.now();
        await (await send(sender, `last ${round}`, DEBOUNCE_MS)).result(LONG_TIMEOUT);
        test.check.equal(fieldsOf(ran, 'body'), ['last 0', 'last 1'].slice(0, round + 1), 'tasks that ran');
        const tookMs = (ran.at(-1)?.at ?? 0) - sentAt;
        test.check.ok(tookMs >= DEBOUNCE_MS - ROUNDING_MS, `it ran after ${tookMs} ms`);
        const states = await Promise.all(replaced.map((one) => one.status()));
        test.check.equal(states, ['cancelled', 'cancelled', 'cancelled'], 'tasks that it replaced');
        await assertCounts(test, transport, 'jobs', { ready: 0, delayed: 0, leased: 0, dead: 0 });
      }
    },
    refused: refusesReplaceKey,
  },
]);

async function refusesReplaceKey(test: TestContext): Promise<void> {
  const bus = await test.bus();
  await test.check.rejects(bus.enqueue('jobs', 1, { replaceKey: 'k' }), 'UNSUPPORTED', 'a replaceKey');
}
