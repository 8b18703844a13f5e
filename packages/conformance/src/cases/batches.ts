/** Batches of tasks whose handler takes too long, or whose tasks are cancelled. */

import type { BatchContext, BatchTask } from '@busbar/api';
import { type ConformanceCase, defineCases } from '../case.ts';
import { assertCounts, deadLetters } from '../steps/queue-view.ts';
import { LONG_TIMEOUT } from '../steps/requesting.ts';

type Tasks = readonly BatchTask<string>[];

const EMPTY = { ready: 0, delayed: 0, leased: 0, dead: 0 } as const;

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Ack/nack/visibility' }, [
  {
    id: 'A51',
    title: 'a batch past its time limit has failed for each of its tasks: all signals fire, and the tasks come again',
    rules: ['RQ2', 'RQ5'],
    async run(test) {
      const [bus, transport] = [await test.bus(), await test.transport()];
      const signals: AbortSignal[] = [];
      const work = (tasks: Tasks, { signal }: BatchContext): string[] | Promise<never> => {
        if (signals.length > 0) return tasks.map(({ body, attempt }) => `${body} ${attempt}`);
        signals.push(signal, ...tasks.map(({ context }) => context.signal));
        return new Promise<never>(() => undefined);
      };
      const attemptsOf = (body: string) => (body === 'last' ? { maxAttempts: 1 } : undefined);
      const handles = await bus.enqueueAll<string, string>('jobs', ['a', 'b', 'last'], attemptsOf);
      const batch = { max: 3, waitMs: 500 };
      await bus.process<string, string>('jobs', work, { batch, timeoutMs: 100, retry: { baseMs: 0 } });
      const ended = await Promise.allSettled(handles.map((one) => one.result(LONG_TIMEOUT)));
      const results = ended.map((one) => (one.status === 'fulfilled' ? one.value : one.reason?.code));
      test.check.equal(results, ['a 2', 'b 2', 'HANDLER_FAILED'], 'results');
      const reasons = signals.map(({ reason }) => reason?.code);
      test.check.equal(reasons, ['TIMEOUT', 'TIMEOUT', 'TIMEOUT', 'TIMEOUT'], 'reasons of the signals');
      const [letter] = await deadLetters(test, transport, 'jobs', 1);
      test.check.ok(letter?.dead?.reason.includes('not ended within 100 ms') === true, `why: ${letter?.dead?.reason}`);
      await assertCounts(test, transport, 'jobs', { ...EMPTY, dead: 1 });
    },
  },
  {
    id: 'A52',
    title:
      'a cancelled task of a batch ends alone, and the signal of the batch fires when all of its tasks are cancelled',
    rules: ['RQ1', 'RQ2'],
    async run(test) {
      const [bus, other, transport] = [await test.bus(), await test.bus(), await test.transport()];
      const begun: { readonly tasks: Tasks; readonly signal: AbortSignal }[] = [];
      const ends = Promise.withResolvers<string[]>();
      const work = (tasks: Tasks, { signal }: BatchContext): string[] | Promise<string[]> => {
        begun.push({ tasks, signal });
        if (begun.length === 1) return ends.promise;
        return begun.length === 2 ? new Promise<never>(() => undefined) : tasks.map(({ body }) => body);
      };
      await bus.process<string, string>('jobs', work, { batch: { max: 2, waitMs: 10_000 } });
      const [a, b] = await begin();
      test.check.equal(await cancel(a), true, 'whether the first one is cancelled');
      const signals = begun[0]?.tasks.map(({ context }) => context.signal) ?? [];
      test.check.equal(
        [...signals, begun[0]?.signal].map((signal) => signal?.aborted),
        [true, false, false],
        'fired signals, of the tasks and of the batch',
      );
      test.check.ok(String(signals[0]?.reason).includes('not needed'), `the reason: ${signals[0]?.reason}`);
      ends.resolve(['a', 'b']);
      test.check.equal(await b?.result(LONG_TIMEOUT), 'b', 'the result of the other one');
      const states = [await a?.status(), await b?.status()];
      test.check.equal(states, ['cancelled', 'done'], 'states of the first batch');
      const both = await begin();
      test.check.equal(await Promise.all(both.map(cancel)), [true, true], 'whether both are cancelled');
      test.check.equal(begun[1]?.signal.aborted, true, 'whether the signal of their batch has fired');
      const next = await bus.enqueueAll<string, string>('jobs', ['a', 'b']);
      const results = await Promise.all(next.map((one) => one.result(LONG_TIMEOUT)));
      test.check.equal(results, ['a', 'b'], 'results of the next batch');
      await assertCounts(test, transport, 'jobs', EMPTY);

      async function begin() {
        const count = begun.length + 1;
        const handles = await bus.enqueueAll<string, string>('jobs', ['a', 'b']);
        await test.until('the batch', () => begun.length === count);
        return handles;
      }

      function cancel(task: { readonly id: string } | undefined): Promise<boolean> {
        const options = { running: true, reason: 'not needed', ...LONG_TIMEOUT } as const;
        return other.task('jobs', task?.id ?? '').cancel(options);
      }
    },
  },
]);
