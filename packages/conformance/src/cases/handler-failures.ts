/** Failed handlers: time limits, errors that say when to retry, and functions that decide it. */

import {
  type BatchTask,
  type Bus,
  defineQueue,
  RejectError,
  RetryError,
  type StandardSchema,
  type TaskQuery,
  type Worker,
} from '@busbar/api';
import type { Delivery, Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import { consume, fieldsOf, ROUNDING_MS, receiveOne, settle, settleStatuses, texts } from '../steps/consuming.ts';
import { assertCounts, deadLetters } from '../steps/queue-view.ts';
import { LONG_TIMEOUT } from '../steps/requesting.ts';

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Ack/nack/visibility' }, [
  {
    id: 'A33',
    title: 'a handler past its time limit has failed: its signal fires, and the next attempt begins while it hangs',
    rules: ['RQ2', 'RQ5'],
    async run(test) {
      const [bus, transport] = [await test.bus(), await test.transport()];
      const signals: AbortSignal[] = [];
      const hang = (signal: AbortSignal): Promise<never> => {
        signals.push(signal);
        return new Promise<never>(() => undefined);
      };
      await bus.process('jobs', (_, { attempt, signal }) => (attempt === 1 ? hang(signal) : 'late but done'), {
        timeoutMs: 100,
        retry: { baseMs: 0 },
      });
      const task = await bus.enqueue('jobs', 'x');
      test.check.equal(await task.result(LONG_TIMEOUT), 'late but done', 'the result of the second attempt');
      test.check.equal(
        signals.map(({ reason }) => reason?.code),
        ['TIMEOUT'],
        'the reason of the signal',
      );
      await assertCounts(test, transport, 'jobs', { ready: 0, delayed: 0, leased: 0, dead: 0 });
      const agent = await bus.agent('@slow');
      agent.handle('ask', (_, { signal }) => hang(signal), { timeoutMs: 100 });
      await test.check.rejects(agent.request('@slow', 'ask', null, LONG_TIMEOUT), 'HANDLER_FAILED', 'the request');
      test.check.equal(
        signals.map(({ aborted }) => aborted),
        [true, true],
        'aborted signals',
      );
    },
  },
  {
    id: 'A34',
    title: 'a RetryError says when the next attempt begins, and a retry function decides by attempt and error',
    rules: ['RQ5', 'RQ6'],
    async run(test) {
      const [bus, transport] = [await test.bus(), await test.transport()];
      const began: number[] = [];
      await bus.process(
        'jobs',
        () => {
          began.push(performance.now());
          if (began.length === 1) throw new RetryError('rate limited', { afterMs: 300 });
          throw new Error(began.length === 2 ? 'try again' : 'hopeless');
        },
        { retry: (_, error) => (error instanceof Error && error.message === 'hopeless' ? 'reject' : 0) },
      );
      await bus.enqueue('jobs', 'x');
      const [letter] = await deadLetters(test, transport, 'jobs', 1);
      test.check.equal(letter?.attempts, 3, 'attempts');
      test.check.ok(letter?.dead?.reason.includes('hopeless') === true, 'the reason');
      const [first = 0, second = 0] = began;
      test.check.between(second - first, 300 - ROUNDING_MS, test.beyond(300) + 3_000, 'the wait that the error says');
    },
  },
  {
    id: 'A37',
    title: 'a message released with a delay comes again after it as the same attempt; others pass it, but not its key',
    rules: ['RQ2', 'RQ3', 'RQ4', 'RQ6'],
    shows: ['orderingKeys'],
    async run(test, transport) {
      const other = await test.open();
      await test.send(transport, 'work', test.messages(3, {}, 'm'));
      const [first, second] = await test.receive(transport, 'work', 2);
      if (first === undefined || second === undefined) return test.check.fail('two deliveries');
      const began = performance.now();
      const results = await other.queues.settle([
        { receipt: first.receipt, action: 'release', delayMs: 400 },
        { receipt: second.receipt, action: 'release', delayMs: 200 },
      ]);
      test.check.equal(fieldsOf(results, 'status'), ['done', 'done'], 'released');
      const again: Delivery[] = [];
      for (const delayMs of [0, 200, 400]) {
        again.push(...(await consume(test, other, 'work', 1)));
        test.check.ok(performance.now() - began >= delayMs - ROUNDING_MS, `a delay of ${delayMs} ms is not cut short`);
      }
      test.check.equal(texts(test, again), ['m2', 'm1', 'm0'], 'the order');
      test.check.equal(fieldsOf(again, 'attempt'), [1, 1, 1], 'attempts');
      const late = { action: 'release', delayMs: 600_000 } as const;
      test.check.equal(
        await settleStatuses(other, [first, second], late),
        ['lease-lost', 'lease-lost'],
        'old receipts',
      );
      await assertCounts(test, transport, 'work', { ready: 0, delayed: 0, leased: 0, dead: 0 });
      if (test.capabilities.features.orderingKeys) await showsHeldKey(test, transport);
    },
  },
  {
    id: 'A38',
    title: 'a handler postpones a message as often as it wants: no attempt is used up, and nothing is reported',
    rules: ['RQ2', 'RQ5', 'RQ6'],
    async run(test) {
      const errors: unknown[] = [];
      const [bus, transport] = [await test.bus({ onError: (error) => errors.push(error) }), await test.transport()];
      const began: number[] = [];
      const attempts: number[] = [];
      const work = (_: unknown, { attempt }: { readonly attempt: number }): string => {
        began.push(performance.now());
        attempts.push(attempt);
        if (began.length < 4) throw new RetryError('not yet', { afterMs: 100, countAttempt: false });
        if (began.length === 4) throw new RetryError('broken', { afterMs: 0 });
        return 'done';
      };
      await bus.process('jobs', work, { maxAttempts: 2 });
      const task = await bus.enqueue('jobs', 'x');
      test.check.equal(await task.result(LONG_TIMEOUT), 'done', 'the result');
      test.check.equal(attempts, [1, 1, 1, 1, 2], 'attempts');
      const waits = began.slice(1, 4).map((at, index) => at - (began[index] ?? 0));
      test.check.ok(Math.min(...waits) >= 100 - ROUNDING_MS, `no wait is shorter than what the handler says: ${waits}`);
      test.check.equal(errors.length, 1, 'reported errors');
      await assertCounts(test, transport, 'jobs', { ready: 0, delayed: 0, leased: 0, dead: 0 });
    },
  },
  {
    id: 'A39',
    title: 'a batch handler gets several tasks in one call, and each has its own result, failure and attempts',
    rules: ['RQ1', 'RQ2', 'RQ5'],
    async run(test) {
      const [bus, transport] = [await test.bus(), await test.transport()];
      const calls: number[] = [];
      const work = (tasks: readonly BatchTask<string>[]): (string | Error)[] => {
        calls.push(tasks.length);
        return tasks.map(({ body, attempt }) => {
          if (body === 'dies') return new RejectError('hopeless');
          return body === 'fails' && attempt === 1 ? new Error('broken') : `${body} ${attempt}`;
        });
      };
      const bodies = ['fails', 'dies', ...Array.from({ length: 38 }, (_, index) => `body ${index}`)];
      const handles = await bus.enqueueAll<string, string>('jobs', bodies);
      const options = { batch: { max: 15, waitMs: 20 }, concurrency: 2, retry: { baseMs: 0 } };
      await bus.process<string, string>('jobs', work, options);
      const results = await Promise.allSettled(handles.map((one) => one.result(LONG_TIMEOUT)));
      const [failed, dead, ...others] = results.map((one) => (one.status === 'fulfilled' ? one.value : 'rejected'));
      test.check.equal([failed, dead], ['fails 2', 'rejected'], 'a result after a failure, and a rejected task');
      test.check.equal(
        others,
        bodies.slice(2).map((body) => `${body} 1`),
        'the other results',
      );
      test.check.equal(
        calls.reduce((sum, count) => sum + count),
        bodies.length + 1,
        'tasks in all calls',
      );
      test.check.between(Math.max(...calls), 2, 15, 'the largest batch');
      const [letter] = await deadLetters(test, transport, 'jobs', 1);
      test.check.equal([letter?.attempts, letter?.dead?.reason], [1, 'hopeless'], 'the dead letter');
      await assertCounts(test, transport, 'jobs', { ready: 0, delayed: 0, leased: 0, dead: 1 });
    },
  },
  {
    id: 'A40',
    title: 'tasks are listed by state and type, in pages that hold each task once; listing takes none',
    rules: ['RA1'],
    async run(test) {
      const bus = await test.bus();
      const bodies = Array.from({ length: 30 }, (_, index) => index);
      const types = ['image', 'text', undefined];
      await bus.enqueueAll('jobs', bodies, (_, index) => ({ type: types[index % 3] }));
      await bus.enqueueAll('jobs', [30, 31], { type: 'image', delayMs: 600_000 });
      const list = async (query: TaskQuery): Promise<unknown[]> => {
        const found: unknown[] = [];
        for (let after: string | undefined; ; ) {
          const { tasks, next } = await (await test.bus()).queue('jobs').tasks({ ...query, after });
          test.check.ok(tasks.length <= (query.limit ?? 100), `a page has ${tasks.length} tasks`);
          found.push(...tasks.map(({ body }) => body));
          if (next === undefined) return found.sort((one, other) => Number(one) - Number(other));
          after = next;
        }
      };
      const images = bodies.filter((body) => body % 3 === 0);
      test.check.equal(await list({ limit: 7 }), [...bodies, 30, 31], 'all');
      test.check.equal(await list({ limit: 4, type: 'image' }), [...images, 30, 31], 'of one type');
      test.check.equal(await list({ type: 'image', state: 'queued' }), images, 'of one type and state');
      test.check.equal(await list({ state: 'delayed', limit: 1 }), [30, 31], 'delayed ones');
      test.check.equal(await list({ type: 'none' }), [], 'of no known type');
      const [taken] = await bus.takeTasks<number>('jobs');
      test.check.equal([taken?.body, taken?.attempt, taken?.type], [0, 1, 'image'], 'the first task');
      const [running] = (await bus.queue('jobs').tasks({ state: 'running' })).tasks;
      test.check.equal([running?.id, running?.attempt, running?.type], [taken?.id, 1, 'image'], 'the running task');
    },
  },
  {
    id: 'A41',
    title:
      'a rate limit holds for all workers of a queue: no window has more tasks, and those that wait lose no attempt',
    rules: ['RQ1', 'RQ2', 'RE1'],
    async run(test) {
      const [bus, other, transport] = [await test.bus(), await test.bus(), await test.transport()];
      const began: number[] = [];
      let start = performance.now();
      const work = (): void => void began.push(performance.now() - start);
      await bus.enqueueAll('jobs', [1, 2, 3, 4, 5, 6, 7, 8], { maxAttempts: 1 });
      const open = (one: Bus, queue: string, perMs: number): Promise<Worker> =>
        one.process(queue, work, { rateLimit: { max: 2, perMs }, concurrency: 4 });
      const workers = [await open(bus, 'jobs', 600_000), await open(other, 'jobs', 600_000)];
      await assertCounts(test, transport, 'jobs', { ready: 0, delayed: 0, leased: 6, dead: 0 });
      for (const worker of workers) await worker.close();
      test.check.equal(began.length, 2, 'tasks that began in a window without an end');
      await assertCounts(test, transport, 'jobs', { ready: 6, delayed: 0, leased: 0, dead: 0 });
      for (const one of [bus, other]) await open(one, 'soon', 150);
      began.length = 0;
      start = performance.now();
      await bus.enqueueAll('soon', [1, 2, 3, 4, 5, 6]);
      await test.until('all tasks began', () => began.length === 6);
      const early = began.filter((at, index) => at < 150 * Math.floor(index / 2) - ROUNDING_MS);
      test.check.equal(early, [], 'tasks that began before their window');
      await assertCounts(test, transport, 'soon', { ready: 0, delayed: 0, leased: 0, dead: 0 });
    },
  },
  {
    id: 'A35',
    title:
      'a running task can be cancelled from another bus: its signal fires, it ends as cancelled, and it is not repeated',
    rules: ['RQ1', 'RQ2'],
    async run(test) {
      const [bus, other, transport] = [await test.bus(), await test.bus(), await test.transport()];
      const signals: AbortSignal[] = [];
      const work = (task: { readonly body: unknown }, { signal }: { readonly signal: AbortSignal }): unknown => {
        if (task.body === 'quick') return 'done';
        signals.push(signal);
        return new Promise<never>(() => undefined);
      };
      const worker = await bus.process('jobs', work);
      const { id } = await bus.enqueue('jobs', 'slow', { dedupeKey: 'one' });
      await test.until('the handler runs', () => signals.length === 1);
      const task = other.task('jobs', id);
      test.check.equal(await task.cancel({ running: true, reason: 'not needed', ...LONG_TIMEOUT }), true, 'cancelled');
      test.check.ok(String(signals[0]?.reason).includes('not needed'), 'the reason of the signal');
      const ended = await test.check.rejects(task.result(LONG_TIMEOUT), 'ABORTED', 'the result');
      test.check.ok(ended.message.includes('not needed'), 'the reason in the result');
      test.check.equal([await task.status(), await task.cancel({ running: true })], ['cancelled', false], 'afterwards');
      const quick = await bus.enqueue('jobs', 'quick');
      test.check.equal(await quick.result(LONG_TIMEOUT), 'done', 'the worker goes on');
      await assertCounts(test, transport, 'jobs', { ready: 0, delayed: 0, leased: 0, dead: 0 });
      // Its worker ends before it sees the request: the next one ends the task.
      const late = await bus.enqueue('jobs', 'slow');
      await test.until('the second handler runs', () => signals.length === 2);
      await worker.close({ drainMs: 0 });
      const cancelled = other.task('jobs', late.id).cancel({ running: true, ...LONG_TIMEOUT });
      await other.process('jobs', work);
      test.check.equal(await cancelled, true, 'cancelled by the next worker');
      test.check.equal(await late.status(), 'cancelled', 'its state');
      // No worker has it when the request comes: the next one ends it without a handler.
      const { id: heldId } = await bus.enqueue('held', 'slow');
      const [held] = await bus.takeTasks('held', { waitMs: 5_000 });
      const withdrawn = other.task('held', heldId).cancel({ running: true, ...LONG_TIMEOUT });
      const isStored = async (): Promise<boolean> => (await transport.kv.list('$task/#cancel/held#')).length === 1;
      await test.until('the request is stored', isStored);
      const begun = signals.length;
      await held?.release();
      await bus.process('held', work);
      test.check.equal([await withdrawn, signals.length], [true, begun], 'a task whose handler did not begin');
    },
  },
  {
    id: 'A36',
    title: 'a body that does not match the schema of a worker is retried, rejected or released, as its worker says',
    rules: ['RQ5'],
    async run(test) {
      const [bus, transport] = [await test.bus(), await test.transport()];
      const handled: unknown[] = [];
      const work = (task: { readonly body: unknown; readonly attempt: number }): void =>
        void handled.push([task.body, task.attempt]);
      for (const [queue, attempts, onInvalid] of [
        ['retried', 2, undefined],
        ['rejected', 1, 'reject'],
      ] as const) {
        await bus.process(defineQueue(queue, { task: textSchema }), work, {
          retry: { baseMs: 0 },
          maxAttempts: 2,
          onInvalid,
        });
        await bus.enqueue(queue, 5);
        const [letter] = await deadLetters(test, transport, queue, 1);
        test.check.equal(letter?.attempts, attempts, `attempts of what is ${queue}`);
        test.check.ok(letter?.dead?.reason.includes('no text') === true, 'the reason');
      }
      const older = await bus.process(defineQueue('released', { task: textSchema }), work, { onInvalid: 'release' });
      await bus.enqueueAll('released', [5, 'text']);
      await test.until('what it can read is handled', () => handled.length === 1);
      await assertCounts(test, transport, 'released', { leased: 0, delayed: 1, dead: 0 });
      await bus.process('released', work);
      await test.until('the worker without a schema has it', () => handled.length === 2);
      test.check.equal(handled.map(String).sort(), ['5,1', 'text,1'], 'bodies and attempts');
      test.check.equal(older.running, 0, 'messages that the older worker keeps');
    },
  },
]);

/** The later ones of its key wait for a message that is released with a delay. */
async function showsHeldKey(test: TestContext, transport: Transport): Promise<void> {
  await test.send(transport, 'keyed', test.messages(2, { orderingKey: 'k' }, 'k'));
  await settle(test, transport, [await receiveOne(test, transport, 'keyed')], { action: 'release', delayMs: 200 });
  test.check.equal(texts(test, await consume(test, transport, 'keyed', 2, 1)), ['k0', 'k1'], 'the order of a key');
}

const textSchema: StandardSchema<string> = {
  '~standard': {
    version: 1,
    vendor: 'conformance',
    validate: (value) => (typeof value === 'string' ? { value } : { issues: [{ message: 'no text' }] }),
  },
};
