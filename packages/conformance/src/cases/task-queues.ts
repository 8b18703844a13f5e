/** Queues of tasks through the bus: their settings and their pause. */

import { defineQueue } from '@busbar/api';
import { type ConformanceCase, defineCases } from '../case.ts';
import { assertCounts } from '../steps/queue-view.ts';
import { LONG_TIMEOUT } from '../steps/requesting.ts';

const jobs = defineQueue('jobs', { settings: { maxAttempts: 2 } });

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Backpressure' }, [
  {
    id: 'B10',
    title: 'what a bus configures, pauses and resumes holds for the workers of all buses, and running tasks go on',
    rules: ['RQ1', 'RQ5', 'RQ10'],
    async run(test, transport) {
      const [bus, other] = [await test.bus(), await test.bus()];
      await bus.queue(jobs).configure({ leaseMs: 7_000, maxAttempts: 4 });
      await other.queue('jobs').configure({ deadTtlMs: 60_000 });
      const gate = Promise.withResolvers<void>();
      const began: unknown[] = [];
      const work = async ({ body }: { readonly body: unknown }): Promise<unknown> => {
        began.push(body);
        if (body === 'bad') throw new Error('bad');
        if (body === 'long') await gate.promise;
        return body;
      };
      await other.process('jobs', work, { concurrency: 2, retry: { baseMs: 0 } });
      const long = await bus.enqueue(jobs, 'long');
      const { settings } = (await other.queue('jobs').info()) ?? {};
      test.check.equal(
        [settings?.leaseMs, settings?.maxAttempts, settings?.deadTtlMs, settings?.paused],
        [7_000, 2, 60_000, false],
        'settings of both buses, and of the definition at the first use',
      );
      await test.until('the first task began', () => began.length === 1);
      await bus.queue(jobs).pause();
      const [held, bad] = [await bus.enqueue(jobs, 'held'), await other.enqueue('jobs', 'bad')];
      await assertCounts(test, transport, 'jobs', { ready: 2, leased: 1 });
      gate.resolve();
      test.check.equal(await long.result(LONG_TIMEOUT), 'long', 'the result of a task that ran');
      await test.nothing(transport, 'jobs', 300);
      test.check.equal([began, await held.status()], [['long'], 'queued'], 'what began, and the state of another task');
      test.check.equal((await other.queue(jobs).info())?.settings.paused, true, 'whether it is paused');
      await other.queue('jobs').resume();
      test.check.equal(await held.result(LONG_TIMEOUT), 'held', 'the result after the pause');
      await test.check.rejects(bad.result(LONG_TIMEOUT), 'HANDLER_FAILED', 'a task that fails');
      test.check.equal(began.filter((body) => body === 'bad').length, 2, 'its attempts');
      await assertCounts(test, transport, 'jobs', { ready: 0, delayed: 0, leased: 0, dead: 1 });
    },
  },
]);
