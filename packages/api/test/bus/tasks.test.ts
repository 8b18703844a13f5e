/** Tasks, their handles and their workers, on several backends. */

import { type Bus, defineQueue, RejectError } from '@busbar/api';
import { waitFor } from '@busbar/testbed';
import { describe, expect, test } from 'vitest';
import { backends, Lab } from '../lab.ts';
import { numberSchema, stringSchema } from '../schemas.ts';

const code = (wanted: string) => expect.objectContaining({ code: wanted });
const fast = { baseMs: 1, maxMs: 5 };

/** A promise and its resolvers. */
function gate<T = void>(): PromiseWithResolvers<T> {
  return Promise.withResolvers<T>();
}

describe.each(backends)('on %s', (backend) => {
  const open = () => Lab.open(backend);

  test('a task runs once, and its result reaches every handle', async () => {
    await using lab = await open();
    const [a, b] = [await lab.bus(), await lab.bus()];
    const handle = await a.enqueue<number, number>('square', 7, { priority: 9 });
    expect(handle.id).toMatch(/^square#[0-9a-f-]{36}$/);
    expect(handle).toMatchObject({ queue: 'square', isDuplicate: false });
    expect(await handle.status()).toBe('queued');
    const result = handle.result();
    await b.process<number, number>('square', async (task, ctx) => {
      expect(task).toMatchObject({ id: handle.id, body: 7, attempt: 1, priority: 9 });
      expect(ctx.attempt).toBe(1);
      return task.body ** 2;
    });
    expect(await result).toBe(49);
    expect(await handle.result()).toBe(49);
    expect(await b.task<number>(handle.queue, handle.id).result()).toBe(49);
    expect(await handle.status()).toBe('done');
  });

  test('results of every kind', async () => {
    await using lab = await open();
    const bus = await lab.bus();
    const results: unknown[] = [undefined, null, 0, '', { a: [1] }, new Uint8Array([0, 255, 10])];
    await bus.process<number>('kinds', (task) => results[task.body], { concurrency: 4 });
    const handles = await bus.enqueueAll('kinds', [...results.keys()]);
    expect(await Promise.all(handles.map((handle) => handle.result()))).toEqual(results);
  });

  test('a task is taken without a handler, and settled by its receipt in another process', async () => {
    await using lab = await open();
    const [a, b] = [await lab.bus(), await lab.bus()];
    expect(await a.takeTasks('held')).toEqual([]);
    const names = ["it's (a) key*", 'again', 'bad', 'back'];
    const handles = await Promise.all(names.map((dedupeKey) => a.enqueue('held', { dedupeKey }, { dedupeKey })));
    const taken = await a.takeTasks<{ dedupeKey: string }>('held', { max: 10, consumer: '@hand' });
    expect(taken.map(({ body, attempt, queue }) => [body.dedupeKey, attempt, queue])).toEqual(
      names.map((name) => [name, 1, 'held']),
    );
    expect(taken[0]!.receipt).toMatch(/^[\w%=.#:-]+$/);
    const [done, again, bad, back] = taken.map(({ receipt }) => b.heldTask(receipt));
    expect(done).toMatchObject({ id: `held#${names[0]}`, queue: 'held', attempt: 1 });
    const progress = handles[0]!.progress().next();
    await done!.progress({ half: true });
    expect((await progress).value).toEqual({ half: true });
    expect(await done!.extend()).toBeGreaterThan(0);
    await done!.done({ big: 'x'.repeat(100_000) });
    expect(await handles[0]!.result()).toEqual({ big: 'x'.repeat(100_000) });
    await expect(done!.done()).rejects.toThrow(code('LEASE_LOST'));
    await again!.fail({ reason: 'not yet', delayMs: 0 });
    await bad!.reject('no such file');
    await expect(handles[2]!.result()).rejects.toThrow(/no such file/);
    await back!.release();
    const more = await a.takeTasks('held', { max: 10, waitMs: 5_000 });
    const rest = more.length < 2 ? await a.takeTasks('held', { waitMs: 5_000 }) : [];
    expect([...more, ...rest].map(({ id, attempt }) => `${id} ${attempt}`).sort()).toEqual([
      'held#again 2',
      'held#back 1',
    ]);
    for (const receipt of ['', 'x', 'task=%=1.1=x', 7]) {
      expect(() => b.heldTask(receipt as string)).toThrow(code('INVALID_ARGUMENT'));
    }
  });

  test('operators see the consumer of a task', async () => {
    await using lab = await open();
    const bus = await lab.bus();
    const over = gate();
    await bus.enqueueAll('shown', [1, 2]);
    await bus.process('shown', () => over.promise, { consumer: '@worker.7' });
    const leased = async () => (await bus.transport.admin.browse('shown', { state: 'leased' })).messages;
    expect(await waitFor(async () => (await leased())[0], { what: 'a lease' })).toMatchObject({
      consumer: '@worker.7',
    });
    over.resolve();
  });

  test('thousands of tasks, 64 at a time, each once, in few calls', async () => {
    await using lab = await open();
    const [a, b] = [await lab.bus(), await lab.bus()];
    const seen = new Map<number, number>();
    const calls = { settle: 0, receive: 0 };
    for (const name of ['settle', 'receive'] as const) {
      const real = b.transport.queues[name].bind(b.transport.queues) as (...args: unknown[]) => unknown;
      const value = (...args: unknown[]) => {
        calls[name] += 1;
        return real(...args);
      };
      Object.defineProperty(b.transport.queues, name, { value });
    }
    let tick: Promise<void> | undefined;
    const nextTick = (): Promise<void> =>
      new Promise((resolve) => {
        setImmediate(() => {
          tick = undefined;
          resolve();
        });
      });
    let running = 0;
    let most = 0;
    await b.process<number>(
      'many',
      async (task) => {
        running += 1;
        most = Math.max(most, running);
        tick ??= nextTick();
        await tick;
        running -= 1;
        seen.set(task.body, (seen.get(task.body) ?? 0) + 1);
        return task.body;
      },
      { concurrency: 64 },
    );
    const bodies = Array.from({ length: 2000 }, (_, index) => index);
    const handles = await a.enqueueAll<number, number>('many', bodies);
    const results = await Promise.all(handles.map((handle) => handle.result()));
    expect(results).toEqual(bodies);
    expect([...seen.values()].every((times) => times === 1)).toBe(true);
    expect(most).toBeGreaterThan(32);
    expect(most).toBeLessThanOrEqual(64);
    expect(calls.settle).toBeLessThan(200);
    expect(calls.receive).toBeLessThan(200);
  });

  test('a failed task is retried with backoff; the last failure is the cause', async () => {
    await using lab = await open();
    const bus = await lab.bus();
    const attempts: number[] = [];
    await bus.process(
      'flaky',
      (_, ctx) => {
        attempts.push(ctx.attempt);
        if (ctx.attempt < 3) throw new Error('not yet');
        return 'at last';
      },
      { retry: fast },
    );
    expect(await (await bus.enqueue('flaky')).result()).toBe('at last');
    expect(attempts).toEqual([1, 2, 3]);
    await bus.process(
      'broken',
      () => {
        throw new TypeError('never');
      },
      { retry: fast },
    );
    const handle = await bus.enqueue('broken', undefined, { maxAttempts: 2 });
    const error = await handle.result().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'HANDLER_FAILED', message: expect.stringContaining('never') as string });
    expect(error).toHaveProperty('cause.name', 'TypeError');
    expect(error).toHaveProperty('cause.message', 'never');
    expect(await handle.status()).toBe('dead');
    const { messages } = await bus.deadLetters('broken').browse();
    expect(messages).toMatchObject([{ id: handle.id, attempt: 2 }]);
    expect(lab.errors.length).toBeGreaterThanOrEqual(4);
  });

  test('RejectError makes a dead letter at once', async () => {
    await using lab = await open();
    const bus = await lab.bus();
    let runs = 0;
    await bus.process('picky', () => {
      runs += 1;
      throw new RejectError('of no use');
    });
    const handle = await bus.enqueue('picky', 1);
    await expect(handle.result()).rejects.toMatchObject({ code: 'HANDLER_FAILED', cause: { message: 'of no use' } });
    expect(runs).toBe(1);
    expect((await bus.deadLetters('picky').browse()).messages).toMatchObject([{ reason: 'of no use', body: 1 }]);
  });

  test('the task of a dead worker runs elsewhere when its lease ends', async () => {
    await using lab = await open();
    const [a, b] = [await lab.bus(), await lab.bus()];
    await a.transport.queues.configure('work', { leaseMs: 500 });
    const handle = await a.enqueue('work', 'x');
    // The lease of a killed worker is not extended.
    const [dead] = await a.transport.queues.receive('work', { waitMs: 5000 });
    expect(dead?.attempt).toBe(1);
    expect(await handle.status()).toBe('running');
    await b.process('work', (_, ctx) => ctx.attempt);
    expect(await handle.result()).toBe(2);
  });

  test('a task that kills its workers becomes a dead letter, and its handle rejects', async () => {
    await using lab = await open();
    const bus = await lab.bus();
    await bus.transport.queues.configure('deadly', { leaseMs: 50, maxAttempts: 2 });
    const handle = await bus.enqueue('deadly');
    const result = handle.result({ timeoutMs: 15_000 });
    const refused = expect(result).rejects.toEqual(code('HANDLER_FAILED'));
    await bus.transport.queues.receive('deadly', { waitMs: 5000 });
    await bus.transport.queues.receive('deadly', { waitMs: 5000 });
    await bus.transport.queues.receive('deadly', { waitMs: 200 });
    await refused;
    expect(await handle.status()).toBe('dead');
  });

  test('concurrency changes at any time; pause and resume', async () => {
    await using lab = await open();
    const bus = await lab.bus();
    let running = 0;
    let release = gate();
    const processor = await bus.process(
      'slots',
      async () => {
        running += 1;
        await release.promise;
        running -= 1;
      },
      { concurrency: 2 },
    );
    await bus.enqueueAll(
      'slots',
      Array.from({ length: 20 }, (_, index) => index),
    );
    await waitFor(() => running === 2, { what: 'two handlers' });
    processor.concurrency = 5;
    await waitFor(() => running === 5, { what: 'five handlers' });
    expect(processor).toMatchObject({ concurrency: 5, running: 5, isPaused: false, queue: 'slots' });
    processor.concurrency = 1;
    processor.pause();
    release.resolve();
    await waitFor(() => processor.running === 0, { what: 'none at work' });
    release = gate();
    const [info] = await bus.transport.admin.queues({ names: ['slots'] });
    expect(info?.ready).toBeGreaterThanOrEqual(15);
    processor.resume();
    await waitFor(() => running === 1, { what: 'one handler' });
    expect(() => {
      processor.concurrency = 0;
    }).toThrow(code('INVALID_ARGUMENT') as never);
    release.resolve();
    await processor.close();
    await processor.close();
  });

  test('closing waits for handlers, then releases unfinished tasks', async () => {
    await using lab = await open();
    const bus = await lab.bus();
    const begun = gate();
    const finish = gate();
    const first = await bus.process('closing', async (_, ctx) => {
      begun.resolve();
      await Promise.race([finish.promise, new Promise((resolve) => ctx.signal.addEventListener('abort', resolve))]);
      return 'first';
    });
    const handle = await bus.enqueue('closing');
    await begun.promise;
    await first.close({ drainMs: 10 });
    expect(await handle.status()).toBe('queued');
    const second = await bus.process('closing', async (_, ctx) => `second ${ctx.attempt}`);
    expect(await handle.result()).toBe('second 1');
    await second.close();
  });

  test('progress reaches its readers; the latest counts', async () => {
    await using lab = await open();
    const [a, b] = [await lab.bus(), await lab.bus()];
    const heard = gate();
    await b.process<number>('slow', async (task, ctx) => {
      for (let step = 1; step <= 1000; step += 1) void ctx.progress({ step });
      await heard.promise;
      return task.body;
    });
    let puts = 0;
    const { kv } = b.transport;
    const put = kv.put.bind(kv);
    Object.defineProperty(kv, 'put', {
      value: (...args: Parameters<typeof put>) => {
        puts += 1;
        return put(...args);
      },
    });
    const handle = await a.enqueue('slow', 5);
    const steps: unknown[] = [];
    for await (const value of handle.progress()) {
      steps.push(value);
      if ((value as { step: number }).step === 1000) heard.resolve();
    }
    expect(steps.at(-1)).toEqual({ step: 1000 });
    expect(steps.length).toBeLessThanOrEqual(2);
    expect(puts).toBeLessThanOrEqual(3);
    expect(await handle.result()).toBe(5);
    expect(await handle.progress().next()).toEqual({ done: true, value: undefined });
  });

  test('progress that cannot be stored is reported and does not fail the task', async () => {
    await using lab = await open();
    const bus = await lab.bus();
    await bus.process('big', (_, ctx) => {
      void ctx.progress('x'.repeat(70_000));
      void ctx.progress(1n);
      return 'done';
    });
    expect(await (await bus.enqueue('big')).result()).toBe('done');
    expect(lab.errors.map((error) => error.code)).toEqual(['PAYLOAD_TOO_LARGE', 'INVALID_ARGUMENT']);
  });

  test('a result beyond 60 KiB is stored in parts; a result that cannot be encoded is rejected', async () => {
    await using lab = await open();
    const bus = await lab.bus();
    await bus.process<string>('big', (task) => (task.body === 'large' ? 'x'.repeat(200_000) : { a: 1n }));
    const large = await bus.enqueue('big', 'large');
    expect(await large.result()).toBe('x'.repeat(200_000));
    expect(await large.status()).toBe('done');
    for (const { key } of await bus.transport.kv.list('$part/')) await bus.transport.kv.delete(key);
    await expect(large.result()).rejects.toEqual(code('NOT_FOUND'));
    await expect((await bus.enqueue('big', 'odd')).result()).rejects.toEqual(code('HANDLER_FAILED'));
  });

  test.concurrent('resultTtlMs 0 stores no result', async () => {
    await using lab = await open();
    const bus = await lab.bus();
    const done = gate();
    await bus.process(
      'quiet',
      async (_, ctx) => {
        await ctx.progress(0.5);
        done.resolve();
        return 1;
      },
      { resultTtlMs: 0 },
    );
    const handle = await bus.enqueue('quiet');
    await done.promise;
    await waitFor(async () => (await handle.status()) === 'unknown', { what: 'no trace' });
    expect(await bus.transport.kv.list('$task/')).toEqual([]);
    await expect(handle.result()).rejects.toEqual(code('NOT_FOUND'));
  });

  test.concurrent('leases are extended while a handler runs', async () => {
    await using lab = await open();
    const bus = await lab.bus();
    let runs = 0;
    await bus.process(
      'long',
      async (_, ctx) => {
        runs += 1;
        const begin = performance.now();
        await waitFor(() => performance.now() - begin > 1400, { what: 'several leases' });
        expect(ctx.signal.aborted).toBe(false);
        return 'done';
      },
      { leaseMs: 600, concurrency: 2 },
    );
    expect(await (await bus.enqueue('long')).result()).toBe('done');
    expect(runs).toBe(1);
  });

  test.concurrent('a task that expires leaves no trace', async () => {
    await using lab = await open();
    const bus = await lab.bus();
    const handle = await bus.enqueue('brief', 1, { ttlMs: 20 });
    await new Promise((resolve) => setTimeout(resolve, 40));
    expect(await handle.status()).toBe('unknown');
    await expect(handle.result()).rejects.toEqual(code('NOT_FOUND'));
    expect(await handle.status()).toBe('unknown');
  });

  test('cancel deletes a task that was not started', async () => {
    await using lab = await open();
    const [a, b] = [await lab.bus(), await lab.bus()];
    const handle = await a.enqueue('later', 1, { delayMs: 60_000 });
    expect(await handle.status()).toBe('delayed');
    const result = expect(handle.result()).rejects.toEqual(code('ABORTED'));
    expect(await b.task(handle.queue, handle.id).cancel()).toBe(true);
    await result;
    expect(await handle.cancel()).toBe(false);
    expect(await handle.status()).toBe('cancelled');
    const running = await a.enqueue('later', 2);
    await a.transport.queues.receive('later', { waitMs: 5000 });
    expect(await running.cancel()).toBe(false);
    expect(await running.reschedule(10)).toBe(false);
    expect(await a.task('later', 'later#nope').cancel()).toBe(false);
  });

  test('reschedule, delayMs and runAt', async () => {
    await using lab = await open();
    const bus = await lab.bus();
    await bus.process<string>('when', (task) => task.body);
    const late = await bus.enqueue('when', 'a', { runAt: new Date(Date.now() + 3_600_000) });
    expect(await late.status()).toBe('delayed');
    expect(await late.reschedule(new Date(Date.now() + 7_200_000))).toBe(true);
    expect(await late.status()).toBe('delayed');
    expect(await late.reschedule(0)).toBe(true);
    expect(await late.result()).toBe('a');
    expect(await (await bus.enqueue('when', 'b', { runAt: new Date(0) })).result()).toBe('b');
    const begin = performance.now();
    expect(await (await bus.enqueue('when', 'c', { delayMs: 60 })).result()).toBe('c');
    expect(performance.now() - begin).toBeGreaterThanOrEqual(60);
  });

  test('a task with a dedupe key is stored once, and its handle finds the result', async () => {
    await using lab = await open();
    const bus = await lab.bus();
    const first = await bus.enqueue('nightly', 1, { dedupeKey: '2026-11-21' });
    const again = await bus.enqueue('nightly', 2, { dedupeKey: '2026-11-21' });
    expect(first).toMatchObject({ id: 'nightly#2026-11-21', isDuplicate: false });
    expect(again).toMatchObject({ id: first.id, isDuplicate: true });
    await bus.process<number>('nightly', (task) => task.body);
    expect(await again.result()).toBe(1);
    expect(await bus.enqueue('nightly', 3, { dedupeKey: '2026-11-21' })).toMatchObject({ isDuplicate: true });
    expect(await first.result()).toBe(1);
  });

  test('the result of an earlier task is not the result of a new one', async () => {
    await using lab = await open();
    const bus = await lab.bus();
    const processor = await bus.process<number>('again', (task) => task.body);
    const first = await bus.enqueue('again', 1, { dedupeKey: 'k' });
    expect(await first.result()).toBe(1);
    await processor.close();
    // Drops the key, like the end of the dedupe window.
    await bus.transport.admin.deleteQueue('again');
    const second = await bus.enqueue('again', 2, { dedupeKey: 'k' });
    expect(second).toMatchObject({ id: first.id, isDuplicate: false });
    await expect(second.result({ timeoutMs: 100 })).rejects.toEqual(code('TIMEOUT'));
    await bus.process<number>('again', (task) => task.body);
    expect(await second.result()).toBe(2);
  });

  test('handles work after a restart of every process', async () => {
    await using lab = await open();
    const before = await lab.bus();
    const done = await before.enqueue('restart', 1);
    const dead = await before.enqueue('restart', -1, { maxAttempts: 1 });
    await before.process<number>('restart', (task) => {
      if (task.body < 0) throw new RangeError('negative');
      return task.body;
    });
    await done.result();
    await dead.result().catch(() => undefined);
    await before.close();
    const after = await lab.bus();
    expect(await after.task(done.queue, done.id).result()).toBe(1);
    await expect(after.task(dead.queue, dead.id).result()).rejects.toMatchObject({
      code: 'HANDLER_FAILED',
      cause: { name: 'RangeError' },
    });
    await expect(after.task('restart', 'restart#never').result()).rejects.toEqual(code('NOT_FOUND'));
    await expect(done.result()).rejects.toEqual(code('CLOSED'));
  });

  test('many callers wait for many tasks', async () => {
    await using lab = await open();
    const [a, b] = [await lab.bus(), await lab.bus()];
    const handles = await a.enqueueAll<number, number>(
      'wide',
      Array.from({ length: 300 }, (_, index) => index),
    );
    const results = Promise.all(handles.map((handle) => handle.result()));
    const others = Promise.all(handles.slice(0, 20).map((handle) => b.task(handle.queue, handle.id).result()));
    await b.process<number>('wide', (task) => task.body + 1, { concurrency: 10 });
    expect((await results).reduce((sum, one) => sum + one)).toBe(45_150);
    expect(await others).toHaveLength(20);
  });

  test('waiting ends with a timeout, a signal, or the bus', async () => {
    await using lab = await open();
    const [a, b] = [await lab.bus(), await lab.bus()];
    const handle = await a.enqueue('idle');
    await expect(handle.result({ timeoutMs: 30 })).rejects.toEqual(code('TIMEOUT'));
    const abort = new AbortController();
    const aborted = expect(handle.result({ signal: abort.signal })).rejects.toEqual(code('ABORTED'));
    const followed = expect(handle.progress({ signal: abort.signal }).next()).rejects.toEqual(code('ABORTED'));
    abort.abort();
    await Promise.all([aborted, followed]);
    const closed = expect(b.task(handle.queue, handle.id).result()).rejects.toEqual(code('CLOSED'));
    await b.close();
    await closed;
  });

  test('typed queues check both sides', async () => {
    await using lab = await open();
    const bus = await lab.bus();
    const lengths = defineQueue('lengths', { task: stringSchema, result: numberSchema });
    await expect(bus.enqueue(lengths, 5 as never)).rejects.toEqual(code('INVALID_ARGUMENT'));
    await bus.process(lengths, (task) => (task.body === 'bad' ? ('x' as never) : task.body.length), { retry: fast });
    const length: number = await (await bus.enqueue(lengths, 'four')).result();
    expect(length).toBe(4);
    // Stored by a bus without the definition.
    const untyped = await bus.enqueue('lengths', { not: 'a string' });
    await expect(untyped.result()).rejects.toMatchObject({ code: 'HANDLER_FAILED' });
    expect((await bus.deadLetters('lengths').browse()).messages[0]?.reason).toContain('string');
    await expect((await bus.enqueue(lengths, 'bad')).result()).rejects.toEqual(code('HANDLER_FAILED'));
  });

  test('messages of a handler have ids derived from its task', async () => {
    await using lab = await open();
    const bus = await lab.bus();
    const ids: string[] = [];
    await bus.process(
      'outer',
      async (_, ctx) => {
        ids.push((await ctx.enqueue('inner', 'x')).id);
        if (ctx.attempt === 1) throw new Error('once more');
      },
      { retry: fast },
    );
    await (await bus.enqueue('outer')).result();
    expect(ids).toHaveLength(2);
    expect(ids[0]).toBe(ids[1]);
    const [info] = await bus.transport.admin.queues({ names: ['inner'] });
    expect(info?.ready).toBe(1);
  });

  test('a full queue refuses, and the error has the number of refused tasks', async () => {
    await using lab = await open();
    const bus = await lab.bus();
    await bus.transport.queues.configure('small', { maxLength: 3 });
    const error = await bus.enqueueAll('small', [1, 2, 3, 4, 5]).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'BACKPRESSURE', message: expect.stringContaining('2 of 5') as string });
    await expect(bus.enqueue('small', 6)).rejects.toEqual(code('BACKPRESSURE'));
    const each = (body: number) => ({ dedupeKey: `k${body}` });
    await bus.transport.admin.purge('small', { state: 'ready' });
    const handles = await bus.enqueueAll('small', [1, 2, 2], each);
    expect(handles.map((handle) => [handle.id, handle.isDuplicate])).toEqual([
      ['small#k1', false],
      ['small#k2', false],
      ['small#k2', true],
    ]);
  });
});

test('bad input is refused before any effect', async () => {
  await using lab = await Lab.open('memory');
  const bus: Bus = await lab.bus();
  const refuse = (work: Promise<unknown>) => expect(work).rejects.toEqual(code('INVALID_ARGUMENT'));
  for (const queue of ['', '$x', 'a..b', '@agent', 5, null, undefined, {}]) {
    await refuse(bus.enqueue(queue as string, 1));
    await refuse(bus.process(queue as string, () => 1));
  }
  const badOptions: unknown[] = [
    { delay: 5 },
    { id: 'x' },
    { createInbox: true },
    { priority: 10 },
    { delayMs: -1 },
    { runAt: '2026' },
    { runAt: new Date('x') },
    { runAt: new Date(), delayMs: 1 },
    { dedupeKey: '' },
    { dedupeKey: 'ä'.repeat(200) },
    { headers: { 'bus-x': '1' } },
    { headers: { X: '1' } },
    { ttlMs: 0 },
    { maxAttempts: 0 },
    7,
  ];
  for (const options of badOptions) await refuse(bus.enqueue('q', 1, options as object));
  await expect(bus.enqueue('q', 1, { runAt: new Date('2300-01-01') })).rejects.toThrow(
    'runAt is too far away: 2300-01-01T00:00:00.000Z',
  );
  await refuse(bus.enqueue('q', 1n));
  await refuse(bus.enqueueAll('q', 'abc' as never));
  await refuse(bus.enqueueAll('q', [1], { dedupeKey: 'x' }));
  await refuse(bus.enqueueAll('q', [1], () => ({ nope: 1 }) as object));
  for (const options of [
    { concurrency: 0 },
    { concurrency: 1.5 },
    { leaseMs: 10 },
    { resultTtlMs: -1 },
    { consumer: '' },
    { x: 1 },
    5,
  ]) {
    await refuse(bus.process('q', () => 1, options as object));
  }
  await refuse(bus.process('q', () => 1, { retry: { baseMs: -1 } }));
  await refuse(bus.process('q', undefined as never));
  for (const id of ['', 'x', '#a', 'a#', '$x#1', 'other#1', 5]) {
    expect(() => bus.task('q', id as string)).toThrow(code('INVALID_ARGUMENT') as never);
  }
  const handle = bus.task('q', 'q#1');
  await refuse(handle.result({ timeoutMs: 0 }));
  await refuse(handle.result({ wait: 1 } as object));
  await refuse(handle.progress({ timeoutMs: 1 } as object).next());
  await refuse(handle.reschedule('soon' as never));
  await refuse(handle.status({ x: 1 } as object));
  expect(await bus.transport.admin.queues()).toEqual([]);
});
