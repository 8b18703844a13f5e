/** Flows: a parent starts once, when its children have ended. */

import { type Bus, type ChildResult, type Context, openBus, RejectError, type TaskHandle } from '@busbar/api';
import type { Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import { withFlowStall } from '../faults/stalled-flows.ts';
import { moduleOf } from '../processes/remote-client.ts';
import { assertCounts } from '../steps/queue-view.ts';
import { LONG_TIMEOUT } from '../steps/requesting.ts';

const beginning = moduleOf('begin-flow');

type Task = { readonly body: unknown };

/** How often a parent looks for what it was not told. */
const CHECK_MS = 100;
const EMPTY = { ready: 0, delayed: 0, leased: 0, dead: 0 } as const;

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Ack/nack/visibility' }, [
  {
    id: 'A42',
    title: 'a parent starts once, when its children in other queues have ended, and gets their results in order',
    rules: ['RF1'],
    smoke: true,
    async run(test, transport) {
      const [bus, other] = [await test.bus(), await test.bus()];
      const headers = { trace: 't1' };
      bus.use({
        enqueue: (outgoing, next) => {
          Object.assign(outgoing.headers, headers);
          return next();
        },
      });
      const children = [
        { queue: 'pages', body: 1 },
        { queue: 'words', body: 2, children: [{ queue: 'pages', body: 3 }] },
        { queue: 'pages', body: 4 },
      ];
      const parent = await bus.flow({ queue: 'books', body: 'book', children });
      test.check.equal(await parent.status(), 'waiting', 'a parent that waits');
      const { tasks: waiting } = await other.queue('books').tasks({ state: 'waiting' });
      test.check.equal([waiting.length, waiting[0]?.id], [1, parent.id], 'the list of parents that wait');
      const last = (await other.queue('pages').tasks()).tasks.find(({ body }) => body === 4);
      test.check.equal(waiting[0]?.waitsFor, last?.id, 'the child that it waits for');
      const started: unknown[] = [];
      const traces: unknown[] = [];
      const work = async (task: Task & { readonly headers: object }, context: Context): Promise<unknown> => {
        started.push(task.body);
        traces.push(task.headers);
        return [task.body, resultsOf(await context.children())];
      };
      await other.process('books', work);
      const [page, ...rest] = await other.takeTasks('pages', { max: 1, waitMs: 5_000 });
      test.check.equal([page?.body, rest.length], [1, 0], 'the first page');
      await other.process('pages', work, { concurrency: 4, resultTtlMs: 0 });
      await bus.process('words', work);
      await test.until('all others have started', () => started.length === 3);
      test.check.equal([...started].sort(), [2, 3, 4], 'what runs before the first page has ended');
      await page?.done([1, []]);
      const result = await other.task('books', parent.id).result(LONG_TIMEOUT);
      const words = [2, [[3, []]]];
      test.check.equal(result, ['book', [[1, []], words, [4, []]]], 'the results in order');
      test.check.equal(started.filter((body) => body === 'book').length, 1, 'starts of the parent');
      test.check.every(traces, (trace) => JSON.stringify(trace) === JSON.stringify(headers), 'headers of middleware');
      for (const queue of ['books', 'pages', 'words']) await assertCounts(test, transport, queue, EMPTY);
    },
  },
  {
    id: 'A43',
    title: 'a child that dies ends its parent, is handed to it, or is waited for, as the flow says',
    rules: ['RF1'],
    async run(test, transport) {
      const bus = await test.bus({ onError: () => undefined });
      const broken = { is: true };
      await bus.process('parts', ({ body }: Task) => {
        if (body === 'bad' && broken.is) throw new RejectError('no such part');
        return body;
      });
      const [started, work] = startsOf();
      await bus.process('wholes', work);
      const begin = (onChildFailure: 'fail' | 'ignore' | 'wait', ...bodies: string[]) =>
        bus.flow({
          queue: 'wholes',
          body: onChildFailure,
          onChildFailure,
          ...(onChildFailure === 'wait' && { checkMs: CHECK_MS }),
          children: bodies.map((body) => ({ queue: body === 'slow' ? 'later' : 'parts', body })),
        });
      const failed = await begin('fail', 'good', 'bad', 'slow');
      const error = await test.check.rejects(failed.result(LONG_TIMEOUT), 'HANDLER_FAILED', 'of a child that died');
      test.check.ok(error.message.includes('no such part'), `the reason: ${error.message}`);
      test.check.equal(await failed.status(), 'dead', 'its parent');
      await assertCounts(test, transport, 'later', EMPTY);
      const ignored = await begin('ignore', 'good', 'bad');
      test.check.equal(await ignored.result(LONG_TIMEOUT), ['good', 'dead'], 'the results with a failure');
      const waiting = await begin('wait', 'bad', 'good');
      await assertCounts(test, transport, 'parts', { ready: 0, leased: 0, dead: 3 });
      await looksAgain(test, transport, waiting);
      test.check.equal([...started], ['ignore'], 'parents that started before');
      broken.is = false;
      test.check.equal(await bus.deadLetters('parts').redrive(), 3, 'redriven children');
      test.check.equal(await waiting.result(LONG_TIMEOUT), ['bad', 'good'], 'the results after that');
      test.check.equal([...started], ['ignore', 'wait'], 'parents that started');
    },
  },
  {
    id: 'A44',
    title: 'a flow goes on though the process that began it, or the worker of its last child, stands still in between',
    rules: ['RF1'],
    async run(test, transport) {
      const bus = await test.bus();
      const [started, work] = startsOf();
      await bus.process('wholes', work);
      const ran: unknown[] = [];
      const flow = (body: string) => ({
        queue: 'wholes',
        body,
        checkMs: CHECK_MS,
        children: [1, 2].map((part) => ({ queue: `parts.${body}`, body: part })),
      });
      const count = ({ body }: Task): unknown => {
        ran.push(body);
        return body;
      };
      const beginner = await stalledBus(test, 'before the children');
      const began = beginner.bus.flow(flow('begun'));
      await beginner.reached;
      await bus.process('parts.begun', count);
      await test.until('the parent has ended', () => started.length === 1);
      beginner.goOn();
      const parent = await began;
      test.check.equal(await parent.result(LONG_TIMEOUT), [1, 2], 'the results without the process that began');
      test.check.equal([...ran].sort(), [1, 2], 'children that ran');
      const worker = await stalledBus(test, 'before the parent');
      await worker.bus.process('parts.ended', count);
      const ended = await bus.flow(flow('ended'));
      await worker.reached;
      test.check.equal(await ended.result(LONG_TIMEOUT), [1, 2], 'the results without the worker that ended');
      worker.goOn();
      await assertCounts(test, transport, 'wholes', EMPTY);
      test.check.equal(started, ['begun', 'ended'], 'starts of parents');
    },
  },
  {
    id: 'A45',
    title: 'a parent learns of children that ended without a worker: by their last lease, or by cancel',
    rules: ['RF1'],
    async run(test, transport) {
      const bus = await test.bus({ onError: () => undefined });
      const [started, work] = startsOf();
      await bus.process('wholes', work);
      await transport.queues.configure('lost', { leaseMs: 100, maxAttempts: 1 });
      const children = ['lost', 'cancelled'].map((queue) => ({ queue, body: queue }));
      const flow = { queue: 'wholes', checkMs: CHECK_MS, children } as const;
      const all = await bus.flow({ ...flow, body: 'all', onChildFailure: 'ignore' });
      await test.receive(transport, 'lost', 1);
      const { tasks } = await bus.queue('cancelled').tasks();
      test.check.equal(await bus.task('cancelled', tasks[0]?.id ?? '').cancel(), true, 'whether it is cancelled');
      test.check.equal(await all.result(LONG_TIMEOUT), ['dead', 'cancelled'], 'their states');
      const one = await bus.flow({ ...flow, body: 'one', children: [{ queue: 'lost' }, { queue: 'cancelled' }] });
      const second = (await bus.queue('cancelled').tasks()).tasks[0]?.id ?? '';
      await bus.task('cancelled', second).cancel({ reason: 'not needed' });
      const error = await test.check.rejects(one.result(LONG_TIMEOUT), 'HANDLER_FAILED', 'of a cancelled child');
      test.check.ok(error.message.includes('not needed'), `the reason: ${error.message}`);
      test.check.equal(started, ['all'], 'starts of parents');
    },
  },
  {
    id: 'A46',
    title:
      'the cancellation of a parent that waits cancels its children that wait; it is begun once for each dedupeKey',
    rules: ['RF1'],
    async run(test, transport) {
      const [bus, other] = [await test.bus(), await test.bus()];
      const flow = {
        queue: 'wholes',
        options: { dedupeKey: 'one' },
        children: [
          { queue: 'parts', body: 1 },
          { queue: 'parts', body: 2, children: [{ queue: 'deep', body: 3 }] },
        ],
      };
      const parent = await bus.flow(flow);
      const again = await other.flow(flow);
      test.check.equal([again.id, again.isDuplicate], [parent.id, true], 'the second one');
      await assertCounts(test, transport, 'parts', { ready: 1, delayed: 1 });
      await assertCounts(test, transport, 'deep', { ready: 1, delayed: 0 });
      const [held] = await bus.takeTasks('parts', { waitMs: 5_000 });
      test.check.equal(await other.task('wholes', parent.id).cancel({ reason: 'enough' }), true, 'cancelled');
      test.check.equal(await parent.status(), 'cancelled', 'the parent');
      await assertCounts(test, transport, 'parts', { ready: 0, delayed: 0, leased: 1 });
      for (const queue of ['wholes', 'deep']) await assertCounts(test, transport, queue, EMPTY);
      await held?.done(1);
      await assertCounts(test, transport, 'wholes', EMPTY);
      test.check.equal(await bus.task('parts', held?.id ?? '').result(LONG_TIMEOUT), 1, 'a child that was started');
    },
  },
  {
    id: 'A47',
    title: 'a parent misses no child that ends while a worker has the parent to look at its children',
    rules: ['RF1'],
    async run(test) {
      const bus = await test.bus();
      const [started, work] = startsOf();
      const worker = await stalledBus(test, 'before the release');
      await worker.bus.process('wholes', work);
      const parent = await bus.flow({ queue: 'wholes', body: 'one', children: [{ queue: 'parts' }] });
      test.check.equal(await parent.reschedule(0), true, 'whether it is looked at');
      await worker.reached;
      const [part] = await bus.takeTasks('parts', { waitMs: 5_000 });
      await part?.done('part');
      worker.goOn();
      test.check.equal(await parent.result(LONG_TIMEOUT), ['part'], 'the results');
      test.check.equal(started, ['one'], 'starts of the parent');
    },
  },
  {
    id: 'A48',
    title: 'a flow goes on though the process that began it is killed before it sent the children',
    rules: ['RF1'],
    harnessFeatures: ['processes'],
    async run(test) {
      const [bus, process] = [await test.bus(), await test.process()];
      const [started, work] = startsOf();
      const children = [1, 2].map((body) => ({ queue: 'parts', body }));
      const options = { dedupeKey: 'one' };
      await process.run(beginning, 'beginFlow', { queue: 'wholes', body: 'one', options, children, checkMs: CHECK_MS });
      await process.run(beginning, 'untilStill');
      await process.kill();
      test.check.equal(await bus.queue('parts').info(), undefined, 'the queue of the children before');
      await bus.process('wholes', work);
      await bus.process('parts', ({ body }: Task) => body);
      test.check.equal(await bus.task('wholes', 'wholes#one').result(LONG_TIMEOUT), [1, 2], 'the results');
      test.check.equal(started, ['one'], 'starts of the parent');
    },
  },
]);

/** Resolves when a parent has looked at its children twice, since its delay has begun again; or has started. */
async function looksAgain(test: TestContext, { admin }: Transport, { queue, id }: TaskHandle): Promise<void> {
  let [before, looks] = [Number.POSITIVE_INFINITY, 0];
  await test.until('two looks of a parent', async () => {
    const [parent] = (await admin.browse(queue, { ids: [id] })).messages;
    // A worker has it while it looks.
    const { delayLeftMs = before } = parent ?? {};
    if (delayLeftMs > before) looks += 1;
    before = delayLeftMs;
    return parent === undefined || looks === 2;
  });
}

/** Bodies of parents that start, and their handler, which returns the results of its children. */
function startsOf(): [unknown[], (task: Task, context: Context) => Promise<unknown>] {
  const started: unknown[] = [];
  const work = async ({ body }: Task, context: Context): Promise<unknown> => {
    started.push(body);
    return resultsOf(await context.children());
  };
  return [started, work];
}

function resultsOf(children: readonly ChildResult[]): unknown[] {
  return children.map((child) => (child.state === 'done' ? child.result : child.state));
}

/** A bus of a process that stands still. */
async function stalledBus(
  test: TestContext,
  stall: Parameters<typeof withFlowStall>[1],
): Promise<{ readonly bus: Bus; readonly reached: Promise<void>; goOn(): void }> {
  const { transport, reached, goOn } = withFlowStall(await test.open(), stall, 'wholes');
  test.defer(goOn);
  const bus = openBus(transport, { onError: () => undefined, ownsTransport: false });
  test.defer(() => bus.close({ drainMs: 0 }));
  return { bus, reached, goOn };
}
