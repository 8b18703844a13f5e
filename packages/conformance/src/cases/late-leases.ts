/** Fault injection: deliveries whose lease has ended before their handler begins, or before their outcome is stored. */

import { setTimeout as pause } from 'node:timers/promises';
import { type Bus, openBus } from '@busbar/api';
import { type ConformanceCase, defineCases } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import { type Lateness, withLateAnswers } from '../faults/late-answers.ts';
import type { Begun } from '../processes/programs/block-in-handlers.ts';
import { moduleOf } from '../processes/remote-client.ts';
import { queueInfo } from '../steps/queue-view.ts';
import { LONG_TIMEOUT } from '../steps/requesting.ts';

const LEASE_MS = 600;
const LATE_MS = 1_800;
const LONG_LEASE_MS = 30_000;
/** A settlement takes at most this long after its handler. */
const SETTLED_MS = 100;
const blocking = moduleOf('block-in-handlers');

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Fault injection', load: 'timed' }, [
  {
    id: 'I11',
    title: 'a delivery whose claim was answered after its lease is not begun, and its result overwrites nothing',
    rules: ['RQ2', 'RQ3'],
    async run(test, transport) {
      await transport.queues.configure('jobs', { leaseMs: LEASE_MS });
      const [ran, lost] = [[] as string[], [] as string[]];
      const late = await openLate(test, { receiveMs: LATE_MS }, (code) => lost.push(code));
      await late.process('jobs', () => note(ran, 'late'));
      const task = await late.enqueue('jobs');
      await test.until('the late worker has it', async () => (await queueInfo(transport, 'jobs')).leased === 1);
      const quick = await test.bus();
      await quick.process('jobs', () => note(ran, 'quick'));
      test.check.equal(await task.result(LONG_TIMEOUT), 'quick', 'the result');
      await test.until('the late worker has noticed', () => lost.length > 0 || ran.length > 1);
      test.check.equal([ran, lost], [['quick'], ['LEASE_LOST']], 'handlers that ran, and reported errors');
      test.check.equal([await task.result(LONG_TIMEOUT), await task.status()], ['quick', 'done'], 'the outcome');
    },
  },
  {
    id: 'I12',
    title: 'an outcome that arrives after its lease has ended does not replace the outcome of the next worker',
    rules: ['RQ2', 'RQ3'],
    timeoutMs: 40_000,
    async run(test) {
      const outcomes = (['returns', 'throws'] as const).flatMap((outcome) => [
        lateOutcome(test, outcome, 'has ended'),
        lateOutcome(test, outcome, 'runs'),
      ]);
      await Promise.all(outcomes);
    },
  },
  {
    id: 'I13',
    title: 'a worker that was blocked or stopped past its leases begins nothing that another worker has finished',
    rules: ['RQ2', 'RQ3'],
    shows: ['staleSettleRefused'],
    harnessFeatures: ['processes'],
    timeoutMs: 40_000,
    async run(test) {
      const [blocked, stopped] = await Promise.all([
        workPastLeases(test, 'jobs.blocked', 'blocked'),
        workPastLeases(test, 'jobs.stopped', 'stopped'),
      ]);
      test.check.equal(blocked.late, [], 'handlers that began too late in a blocked worker');
      test.check.ok(blocked.begun.length >= 1, 'handlers that began in time');
      if (test.capabilities.features.staleSettleRefused)
        test.check.equal(stopped.late, [], 'handlers that began too late in a stopped worker');
    },
  },
]);

function note(ran: string[], what: string): string {
  ran.push(what);
  return what;
}

/** A bus whose transport is slow. It is closed after the case. */
async function openLate(test: TestContext, lateness: Lateness, onError: (code: string) => void): Promise<Bus> {
  const bus = openBus(withLateAnswers(await test.open(), lateness), { onError: ({ error }) => onError(error.code) });
  test.defer(() => bus.close({ drainMs: 0 }));
  return bus;
}

/** A worker whose writes are slow ends a task after its lease. Another one has ended it, or runs it, when that arrives. */
async function lateOutcome(
  test: TestContext,
  outcome: 'returns' | 'throws',
  next: 'has ended' | 'runs',
): Promise<void> {
  const queue = `jobs.${outcome}.${next === 'runs' ? next : 'ended'}`;
  const ended: string[] = [];
  const late = await openLate(test, { writeMs: LATE_MS }, () => undefined);
  const run = (): string => {
    // It must not take the next attempt, too.
    worker.pause();
    ended.push('late');
    if (outcome === 'throws') throw new Error('late');
    return 'late';
  };
  const worker = await late.process(queue, run, { leaseMs: LEASE_MS, maxAttempts: 2 });
  const sender = await test.bus();
  const task = await sender.enqueue(queue);
  await test.until('the late worker has ended', () => ended.length === 1);
  const quick = await test.bus();
  const work = async (): Promise<string> => {
    if (next === 'runs') await pause(LATE_MS * 2);
    return 'quick';
  };
  await quick.process(queue, work, { leaseMs: LONG_LEASE_MS, maxAttempts: 2 });
  const what = `the result, when the late one ${outcome} and the next one ${next}`;
  test.check.equal(await task.result(LONG_TIMEOUT), 'quick', what);
  await pause(LATE_MS * 2);
  const again = sender.task(queue, task.id);
  test.check.equal([await again.result(LONG_TIMEOUT), await again.status()], ['quick', 'done'], 'the outcome');
  await Promise.all([late.close({ drainMs: 0 }), quick.close({ drainMs: 0 })]);
}

/** A worker takes four tasks and is blocked, or stopped, past their leases. Another worker finishes them meanwhile. */
async function workPastLeases(
  test: TestContext,
  queue: string,
  fault: 'blocked' | 'stopped',
): Promise<{ readonly begun: readonly Begun[]; readonly late: readonly Begun[] }> {
  const transport = await test.transport();
  await transport.queues.configure(queue, { leaseMs: 1_000 });
  const worker = await test.process();
  const blockMs = fault === 'blocked' ? 700 : 600;
  const bus = await test.bus();
  // They are there before: one receive of the worker takes all of them.
  await bus.enqueueAll(queue, [1, 2, 3, 4]);
  const working = worker.run(blocking, 'blockInHandlers', { queue, leaseMs: 1_000, blockMs });
  await test.until('the worker has some', async () => (await queueInfo(transport, queue)).leased > 0);
  if (fault === 'stopped') worker.pause();
  const finished = await finishAll(test, bus, queue, 4);
  if (fault === 'stopped') worker.resume();
  await working;
  await worker.run<readonly Begun[]>(blocking, 'begunHandlers');
  await pause(blockMs * 3);
  const begun = await worker.run<readonly Begun[]>(blocking, 'begunHandlers');
  await worker.kill();
  const late = begun.filter(({ id, at }) => at > (finished.get(id) ?? Number.POSITIVE_INFINITY));
  return { begun, late };
}

/** Handles `count` tasks. Resolves with the time when each was settled, with a margin for the settlement. */
async function finishAll(test: TestContext, bus: Bus, queue: string, count: number): Promise<Map<string, number>> {
  const finished = new Map<string, number>();
  const take = ({ id }: { readonly id: string }): void => void finished.set(id, Date.now() + SETTLED_MS);
  await bus.process(queue, take, { concurrency: count });
  const isOver = async (): Promise<boolean> => {
    const { ready, leased } = await queueInfo(bus.transport, queue);
    return ready + leased === 0;
  };
  await test.until('all are finished', isOver, 15_000);
  return finished;
}
