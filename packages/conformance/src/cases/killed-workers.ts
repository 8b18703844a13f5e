/** Workers that are killed in the middle of tasks. */

import type { BatchTask } from '@busbar/api';
import { type ConformanceCase, defineCases } from '../case.ts';
import { moduleOf } from '../processes/remote-client.ts';
import { ROUNDING_MS } from '../steps/consuming.ts';
import { assertCounts, queueInfo } from '../steps/queue-view.ts';
import { LONG_TIMEOUT } from '../steps/requesting.ts';
import { assertMoveRefused, forgetIds } from '../steps/state-transfer.ts';

const LEASE_MS = 1_000;
/** Of a rate limit: longer than it takes to kill a worker and to open another one. */
const WINDOW_MS = 1_500;
const hanging = moduleOf('hang-in-tasks');

export const cases: readonly ConformanceCase[] = [
  ...defineCases({ group: 'Ack/nack/visibility', harnessFeatures: ['processes'] }, [
    {
      id: 'A49',
      title: 'the tasks of a batch whose worker is killed come again, each as its next attempt',
      rules: ['RQ1', 'RQ2'],
      async run(test, transport) {
        const [bus, victim] = [await test.bus(), await test.process()];
        const handles = await bus.enqueueAll<string, string>('jobs', ['a', 'b', 'c', 'd']);
        const batch = { max: 4, waitMs: 20 };
        await victim.run(hanging, 'hangInTasks', { queue: 'jobs', batch, leaseMs: LEASE_MS });
        await test.until('the batch', async () => (await queueInfo(transport, 'jobs')).leased === 4);
        await victim.kill();
        const work = (tasks: readonly BatchTask<string>[]): string[] =>
          tasks.map(({ body, attempt }) => `${body} ${attempt > 1 ? 'again' : 'first'}`);
        await bus.process<string, string>('jobs', work, { batch });
        const results = await Promise.all(handles.map((one) => one.result(LONG_TIMEOUT)));
        test.check.equal(results, ['a again', 'b again', 'c again', 'd again'], 'results');
        await assertCounts(test, transport, 'jobs', { ready: 0, delayed: 0, leased: 0, dead: 0 });
      },
    },
    {
      id: 'A50',
      title: 'a worker that is killed under a rate limit has used its part, and the others go on in the next window',
      rules: ['RQ1', 'RQ2', 'RE1'],
      async run(test, transport) {
        const [bus, victim] = [await test.bus(), await test.process()];
        const handles = await bus.enqueueAll<number, number>('jobs', [1, 2, 3, 4]);
        const rateLimit = { max: 2, perMs: WINDOW_MS };
        const start = performance.now();
        await victim.run(hanging, 'hangInTasks', { queue: 'jobs', rateLimit, concurrency: 2, leaseMs: LEASE_MS });
        await test.until('two tasks began', async () => (await victim.run(hanging, 'begunHandlers')) === 2);
        await victim.kill();
        const began: number[] = [];
        const work = (_: unknown, { attempt }: { readonly attempt: number }): number => {
          began.push(performance.now() - start);
          return attempt;
        };
        await bus.process<number, number>('jobs', work, { rateLimit });
        const attempts = await Promise.all(handles.map((one) => one.result(LONG_TIMEOUT)));
        test.check.ok(Math.min(...began) >= WINDOW_MS - ROUNDING_MS, `the others began after ${began} ms`);
        const again = attempts.map((attempt) => attempt > 1);
        test.check.equal(again, [true, true, false, false], 'whether it is not the first attempt');
        await assertCounts(test, transport, 'jobs', { ready: 0, delayed: 0, leased: 0, dead: 0 });
      },
    },
  ]),
  ...defineCases({ group: 'Dedupe', harnessFeatures: ['processes'] }, [
    {
      id: 'U18',
      title: 'a key that holds until its task is done holds over a killed worker, until another one has done it',
      rules: ['RQ7', 'RQ1'],
      needs: ['exportState'],
      async run(test, transport) {
        const [bus, victim] = [await test.bus(), await test.process()];
        const options = { dedupeKey: 'nightly', dedupeUntilDone: true };
        const first = await bus.enqueue('jobs', 1, options);
        await victim.run(hanging, 'hangInTasks', { queue: 'jobs', leaseMs: LEASE_MS });
        await test.until('it began', async () => (await queueInfo(transport, 'jobs')).leased === 1);
        await victim.kill();
        const [task] = await bus.takeTasks('jobs', { waitMs: 10_000 });
        await forgetIds(transport);
        const second = await bus.enqueue('jobs', 2, options);
        test.check.equal(
          [(task?.attempt ?? 0) > 1, second.isDuplicate, second.id],
          [true, true, first.id],
          'beside the next attempt',
        );
        const [again] = await bus.takeTasks('jobs', { waitMs: 10_000 });
        await again?.done('result');
        await forgetIds(transport);
        const third = await bus.enqueue('jobs', 3, options);
        test.check.equal([third.isDuplicate, await third.status()], [false, 'queued'], 'after it was done');
      },
      refused: assertMoveRefused,
    },
  ]),
];
