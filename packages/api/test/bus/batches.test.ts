// Batch handlers: how batches are made, results per task, faults and bad input.
import { type BatchTask, type Bus, type BusbarError, defineQueue, openBus, RejectError, RetryError } from '@busbar/api';
import { openMemory } from '@busbar/transport-memory';
import { describe, expect, expectTypeOf, it, onTestFinished } from 'vitest';
import { numberSchema, spelled } from '../schemas.ts';

const INVALID = expect.objectContaining({ code: 'INVALID_ARGUMENT' });

async function open(): Promise<{ bus: Bus; errors: BusbarError[] }> {
  const errors: BusbarError[] = [];
  const bus = openBus(await openMemory(), { onError: ({ error }) => errors.push(error) });
  onTestFinished(() => bus.close({ drainMs: 0 }));
  return { bus, errors };
}

const bodiesOf = (tasks: readonly BatchTask[]): unknown[] => tasks.map(({ body }) => body);

describe('a batch', () => {
  it('has the tasks that are ready, at most max, in their order', async () => {
    const { bus } = await open();
    const batches: unknown[][] = [];
    await bus.enqueueAll('jobs', [1, 2, 3, 4, 5]);
    await bus.process('jobs', (tasks) => void batches.push(bodiesOf(tasks)), { batch: { max: 3 } });
    await expect
      .poll(() => batches)
      .toEqual([
        [1, 2, 3],
        [4, 5],
      ]);
  });

  it('starts when it is full, or when its first task has waited', async () => {
    const { bus } = await open();
    const batches: unknown[][] = [];
    const began = performance.now();
    await bus.process('jobs', (tasks) => void batches.push(bodiesOf(tasks)), { batch: { max: 2, waitMs: 100 } });
    for (const body of [1, 2, 3]) await bus.enqueue('jobs', body);
    await expect.poll(() => batches).toEqual([[1, 2], [3]]);
    expect(performance.now() - began).toBeGreaterThan(98);
  });

  it('does not wait when its worker drains', async () => {
    const { bus } = await open();
    const worker = await bus.process('jobs', (tasks) => tasks.map(() => 'done'), {
      batch: { max: 2, waitMs: 600_000 },
    });
    const task = await bus.enqueue('jobs', 1);
    await expect.poll(() => task.status()).toBe('running');
    expect([worker.running, worker.concurrency]).toEqual([0, 1]);
    await worker.drain();
    expect(await task.result()).toBe('done');
  });

  it('runs beside as many others as concurrency says, which can change', async () => {
    const { bus } = await open();
    const ends: (() => void)[] = [];
    const handle = () => new Promise<void>((resolve) => ends.push(resolve));
    const worker = await bus.process('jobs', handle, { batch: { max: 2 }, concurrency: 2 });
    await bus.enqueueAll('jobs', [1, 2, 3, 4, 5, 6, 7, 8]);
    await expect.poll(() => ends.length).toBe(2);
    expect(await bus.transport.admin.queues({ names: ['jobs'] })).toMatchObject([{ leased: 4, ready: 4 }]);
    worker.concurrency = 3;
    await expect.poll(() => ends.length).toBe(3);
    expect([worker.running, worker.concurrency]).toEqual([3, 3]);
    expect(() => {
      worker.concurrency = 5_001;
    }).toThrow(INVALID);
    while (ends.length > 0) ends.pop()?.();
    await expect.poll(() => ends.length).toBe(1);
    ends.pop()?.();
    await expect.poll(() => worker.running).toBe(0);
  });
});

describe('the results of a batch', () => {
  it('are one for each task: a value, a failure, a rejection or a postponement', async () => {
    const { bus } = await open();
    const seen: unknown[] = [];
    const handle = (tasks: readonly BatchTask<string>[]) =>
      tasks.map(({ body, attempt }) => {
        seen.push([body, attempt]);
        if (attempt > 1 || seen.filter((one) => String(one) === `${body},1`).length > 1) return `${body} again`;
        if (body === 'fails') return new Error('broken');
        if (body === 'waits') return new RetryError('later', { afterMs: 0, countAttempt: false });
        return body === 'dies' ? new RejectError('hopeless') : `${body} done`;
      });
    const [good, fails, dies, waits] = await bus.enqueueAll<string, string>('jobs', ['good', 'fails', 'dies', 'waits']);
    await bus.process<string, string>('jobs', handle, { batch: { max: 10 }, retry: { baseMs: 0 } });
    expect(await good?.result()).toBe('good done');
    expect(await fails?.result()).toBe('fails again');
    expect(await waits?.result()).toBe('waits again');
    await expect(dies?.result()).rejects.toMatchObject({ code: 'HANDLER_FAILED', message: /hopeless/ });
    expect(seen.map(String).sort()).toEqual(['dies,1', 'fails,1', 'fails,2', 'good,1', 'waits,1', 'waits,1']);
  });

  it('fail all, when the handler throws', async () => {
    const { bus } = await open();
    let calls = 0;
    const handle = (tasks: readonly BatchTask<number>[]) => {
      calls += 1;
      if (calls === 1) throw new Error('broken');
      return tasks.map(({ body, attempt }) => body * attempt);
    };
    const handles = await bus.enqueueAll<number, number>('jobs', [1, 2]);
    await bus.process<number, number>('jobs', handle, { batch: { max: 2 }, retry: { baseMs: 0 } });
    expect(await Promise.all(handles.map((one) => one.result()))).toEqual([2, 4]);
  });

  it.each([
    ['too few results', [1]],
    ['no list', 'done'],
  ])('that are %s make dead letters', async (_, results) => {
    const { bus } = await open();
    const handles = await bus.enqueueAll('jobs', [1, 2]);
    await bus.process('jobs', () => results as never, { batch: { max: 2 } });
    for (const one of handles) await expect(one.result()).rejects.toMatchObject({ message: /for 2 tasks/ });
    expect(await bus.deadLetters('jobs').count()).toBe(2);
  });

  it('have the types of the definition', async () => {
    const { bus } = await open();
    const square = defineQueue('square', { task: spelled, result: numberSchema });
    const handle = await bus.enqueue(square, '7');
    const options = { batch: { max: 5 } };
    await bus.process(
      square,
      (tasks) =>
        tasks.map(({ body }) => {
          expectTypeOf(body).toEqualTypeOf<number>();
          return body * body;
        }),
      options,
    );
    expect(await handle.result()).toBe(49);
    // @ts-expect-error the results of a batch have the schema of the queue
    await bus.process(square, (tasks) => tasks.map(() => 'text'), { batch: { max: 5 } });
  });
});

describe('a task of a batch', () => {
  it('has progress, sends with derived ids, and the middleware', async () => {
    const { bus } = await open();
    const handled: unknown[] = [];
    bus.use({
      handle: async (received, _, next) => {
        const result = await next();
        handled.push([received.body, result]);
        return result;
      },
    });
    const go = Promise.withResolvers<void>();
    await bus.process(
      'jobs',
      async (tasks) => {
        for (const { context, body } of tasks) {
          await context.progress(`${body} is half done`);
          await context.enqueue('next', body);
        }
        await go.promise;
        return bodiesOf(tasks);
      },
      { batch: { max: 2 } },
    );
    const [one] = await bus.enqueueAll('jobs', [1, 2]);
    for await (const progress of one!.progress()) {
      expect(progress).toBe('1 is half done');
      go.resolve();
    }
    await expect
      .poll(() => handled)
      .toEqual([
        [1, 1],
        [2, 2],
      ]);
    const next = await bus.takeTasks('next', { max: 5 });
    expect(next.map(({ causationId }) => causationId)).toContain(one?.id);
  });

  it('that is cancelled ends alone, and the signal of the batch fires with the last one', async () => {
    const { bus } = await open();
    const signals: AbortSignal[] = [];
    const contexts: AbortSignal[] = [];
    await bus.process(
      'jobs',
      (tasks, { signal }) => {
        signals.push(signal);
        contexts.push(...tasks.map(({ context }) => context.signal));
        return new Promise<never>(() => undefined);
      },
      { batch: { max: 2 } },
    );
    const handles = await bus.enqueueAll('jobs', [1, 2]);
    await expect.poll(() => contexts.length).toBe(2);
    expect(await handles[0]?.cancel({ running: true })).toBe(true);
    expect([contexts[0]?.aborted, contexts[1]?.aborted, signals[0]?.aborted]).toEqual([true, false, false]);
    expect(await handles[1]?.cancel({ running: true })).toBe(true);
    expect(signals[0]?.aborted).toBe(true);
    await bus.enqueue('jobs', 3);
    await expect.poll(() => signals.length).toBe(2);
  });

  it('that is cancelled while it waits for its batch is not handled', async () => {
    const { bus } = await open();
    const batches: unknown[][] = [];
    const worker = await bus.process('jobs', (tasks) => void batches.push(bodiesOf(tasks)), {
      batch: { max: 3, waitMs: 600_000 },
    });
    const [one, two] = await bus.enqueueAll('jobs', [1, 2]);
    await expect.poll(() => Promise.all([one?.status(), two?.status()])).toEqual(['running', 'running']);
    expect(await one?.cancel({ running: true })).toBe(true);
    await worker.drain();
    expect(batches).toEqual([[2]]);
  });

  it('has the time limit of its handler, which does not count the wait for the batch', async () => {
    const { bus } = await open();
    let calls = 0;
    const handle = (tasks: readonly BatchTask[]) => {
      calls += 1;
      return calls === 1 ? new Promise<never>(() => undefined) : tasks.map(({ attempt }) => attempt);
    };
    const options = { batch: { max: 3, waitMs: 60 }, timeoutMs: 40, retry: { baseMs: 0 } };
    await bus.process('jobs', handle, options);
    const handles = await bus.enqueueAll('jobs', [1, 2]);
    expect(await Promise.all(handles.map((one) => one.result()))).toEqual([2, 2]);
  });
});

describe('the options of a batch', () => {
  it.each([
    { max: 0 },
    { max: 1_001 },
    {},
    { max: 2, waitMs: -1 },
    { max: 2, waitMs: 600_001 },
    { max: 2, more: 1 },
    5,
  ])('%j are refused', async (batch) => {
    const { bus } = await open();
    await expect(bus.process('jobs', () => undefined, { batch: batch as never })).rejects.toEqual(INVALID);
  });

  it('bound how many tasks a worker holds', async () => {
    const { bus } = await open();
    const options = { batch: { max: 1_000 }, concurrency: 11 };
    await expect(bus.process('jobs', () => undefined, options)).rejects.toEqual(INVALID);
  });
});
