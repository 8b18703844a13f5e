/** Dedupe: keys that hold until their task is done. */

import { type Bus, openBus } from '@busbar/api';
import { type ConformanceCase, defineCases } from '../case.ts';
import { withStall } from '../faults/stalled-schedules.ts';
import { assertCounts, deadLetters } from '../steps/queue-view.ts';
import { LONG_TIMEOUT } from '../steps/requesting.ts';

const HOUR_MS = 3_600_000;
const EXPIRES_MS = 400;

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Dedupe', timeoutMs: 40_000 }, [
  {
    id: 'U19',
    title: 'a key that holds until its task is done is free at once when that is done, dead, expired or purged',
    rules: ['RQ7', 'RQ5', 'RQ6'],
    async run(test, transport) {
      const [bus, other] = [await test.bus(), await test.bus()];
      const options = { dedupeKey: 'nightly', dedupeUntilDone: true, maxAttempts: 2 };
      const ids = new Set<string>();
      const next = async (what: string, ttlMs?: number): Promise<void> => {
        const first = await bus.enqueue('jobs', what, { ...options, ttlMs });
        test.check.equal([first.isDuplicate, await first.status()], [false, 'queued'], what);
        const second = await other.enqueue('jobs', what, options);
        test.check.equal([second.isDuplicate, second.id], [true, first.id], `beside it: ${what}`);
        ids.add(first.id);
      };
      const take = async () => {
        const [task] = await other.takeTasks('jobs', { waitMs: 5_000 });
        return task ?? test.check.fail('no task came');
      };
      await next('the first');
      const worker = await bus.process('jobs', () => undefined, { resultTtlMs: 0 });
      await assertCounts(test, transport, 'jobs', { ready: 0, leased: 0 });
      await worker.close();
      await next('after one whose result is not kept');
      await (await take()).done('result');
      await next('after one whose result is kept');
      await (await take()).fail({ delayMs: 0 });
      const again = await bus.enqueue('jobs', 'beside a retry', options);
      test.check.ok(again.isDuplicate, 'beside a retry');
      await (await take()).reject();
      await deadLetters(test, transport, 'jobs', 1);
      await next('after a dead one', EXPIRES_MS);
      await assertCounts(test, transport, 'jobs', { ready: 0, leased: 0 });
      await next('after one that expired');
      await transport.admin.purge('jobs', { state: 'ready' });
      await next('after one that was purged');
      test.check.equal(ids.size, 6, 'ids of the tasks');
      await assertCounts(test, transport, 'jobs', { ready: 1, delayed: 0, leased: 0, dead: 1 });
    },
  },
  {
    id: 'U20',
    title:
      'a process that stands still or dies between the name of a unique task and its send neither blocks nor doubles it',
    rules: ['RQ7', 'RE1'],
    async run(test, transport) {
      const bus = await test.bus();
      const options = { dedupeKey: 'nightly', dedupeUntilDone: true };
      const stalled = withStall(await test.open(), 'before the message');
      test.defer(stalled.goOn);
      const slow = openBus(stalled.transport, { onError: () => undefined, ownsTransport: false });
      test.defer(() => slow.close({ drainMs: 0 }));
      const sent = slow.enqueue('jobs', 'slow', options);
      await stalled.reached;
      const first = await bus.enqueue('jobs', 'first', options);
      test.check.equal([first.isDuplicate, await first.status()], [false, 'queued'], 'beside one that was not sent');
      const [task] = await bus.takeTasks('jobs', { waitMs: 5_000 });
      await task?.done('result');
      const second = await bus.enqueue('jobs', 'second', { ...options, delayMs: HOUR_MS });
      test.check.equal([second.isDuplicate, await second.status()], [false, 'delayed'], 'the next one');
      stalled.goOn();
      test.check.equal((await sent).isDuplicate, true, 'the one that goes on');
      await assertCounts(test, transport, 'jobs', { ready: 0, delayed: 1, leased: 0, dead: 0 });
    },
  },
  {
    id: 'U21',
    title: 'of the tasks of a key that many processes send at once, one waits or runs at a time, and none is lost',
    rules: ['RQ7', 'RQ1', 'RE1'],
    async run(test, transport) {
      const buses: readonly Bus[] = await Promise.all([test.bus(), test.bus(), test.bus()]);
      const options = { dedupeKey: 'nightly', dedupeUntilDone: true };
      let [running, most, done] = [0, 0, 0];
      const worker = await test.bus();
      const handler = async (): Promise<void> => {
        running += 1;
        most = Math.max(most, running);
        await new Promise((resolve) => setTimeout(resolve, 2));
        running -= 1;
        done += 1;
      };
      await worker.process('jobs', handler, { concurrency: 4 });
      const stored = new Set<string>();
      const send = async (bus: Bus): Promise<void> => {
        for (let round = 0; round < 12; round += 1) {
          const handle = await bus.enqueue('jobs', round, options);
          if (!handle.isDuplicate) stored.add(handle.id);
          await handle.result(LONG_TIMEOUT);
        }
      };
      await Promise.all([...buses, ...buses].map(send));
      await assertCounts(test, transport, 'jobs', { ready: 0, delayed: 0, leased: 0, dead: 0 });
      test.check.equal(most, 1, 'handlers at a time');
      test.check.between(stored.size, 12, done, 'tasks that were stored');
      test.check.equal(done, stored.size, 'tasks that were done');
    },
  },
]);
