/** Ack/nack/visibility: rate limits that a queue has for all its workers. */

import { type BusbarError, openBus } from '@busbar/api';
import { type ConformanceCase, defineCases } from '../case.ts';
import { assertCounts } from '../steps/queue-view.ts';

const WINDOW_MS = 600_000;

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Ack/nack/visibility' }, [
  {
    id: 'A53',
    title:
      'a rate limit of a queue holds for workers that do not know it, also while they run, and counts before their options',
    rules: ['RQ1', 'RE1', 'RE2'],
    async run(test, transport) {
      const [bus, operator] = [await test.bus(), await test.bus()];
      const errors: BusbarError[] = [];
      const watched = openBus(await test.open(), { onError: ({ error }) => errors.push(error) });
      test.defer(() => watched.close({ drainMs: 0 }));
      let began = 0;
      const work = (): void => {
        began += 1;
      };
      const isHeld = (ready: number, leased: number) =>
        assertCounts(test, transport, 'jobs', { ready, delayed: 0, leased, dead: 0 });
      const queue = operator.queue('jobs');
      await queue.configure({ rateLimit: { max: 3, perMs: WINDOW_MS } });
      test.check.equal((await queue.info())?.rateLimit, { max: 3, perMs: WINDOW_MS }, 'the limit of the queue');
      await bus.enqueueAll('jobs', [1, 2, 3, 4, 5, 6, 7, 8], { maxAttempts: 1 });
      const worker = await bus.process('jobs', work, { concurrency: 2 });
      await isHeld(3, 2);
      test.check.equal(began, 3, 'tasks that began, of a worker without the option');
      const other = await watched.process('jobs', work, { rateLimit: { max: 100, perMs: WINDOW_MS } });
      await isHeld(2, 3);
      test.check.equal(began, 3, 'tasks that began, of a worker with another option');
      await test.until('the conflict is reported', () => errors.some(({ code }) => code === 'CONFLICT'));
      await queue.configure({ rateLimit: { max: 5, perMs: WINDOW_MS } });
      await test.until('two more tasks began', () => began === 5);
      await isHeld(0, 3);
      test.check.equal(began, 5, 'tasks that began under a higher limit');
      await other.close();
      await queue.configure({ rateLimit: 'none' });
      await test.until('all tasks began', () => began === 8);
      test.check.equal((await queue.info())?.rateLimit, undefined, 'without a limit');
      await worker.close();
      const limited = await watched.process('later', work, { rateLimit: { max: 1, perMs: WINDOW_MS } });
      await bus.process('later', work, { concurrency: 4 });
      await bus.enqueueAll('later', [1, 2, 3]);
      await assertCounts(test, transport, 'later', { ready: 0, delayed: 0, leased: 2, dead: 0 });
      test.check.equal(began, 9, 'tasks that began beside a worker with the option');
      await limited.close();
    },
  },
]);
