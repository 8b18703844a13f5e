// Time limits of handlers, errors that say when to retry, and functions that decide it: bad input and faults.
import { type BackgroundFailure, type Bus, BusbarError, openBus, RetryError } from '@busbar/api';
import { openMemory } from '@busbar/transport-memory';
import { describe, expect, it, onTestFinished, vi } from 'vitest';

const INVALID = expect.objectContaining({ code: 'INVALID_ARGUMENT' });
const never = new Promise<never>(() => undefined);

async function open(): Promise<{ bus: Bus; errors: BusbarError[]; failures: BackgroundFailure[] }> {
  const [errors, failures] = [[] as BusbarError[], [] as BackgroundFailure[]];
  const onError = (failure: BackgroundFailure) => {
    failures.push(failure);
    errors.push(failure.error);
  };
  const bus = openBus(await openMemory(), { onError });
  onTestFinished(() => bus.close({ drainMs: 0 }));
  return { bus, errors, failures };
}

describe('the attempts of a queue', () => {
  it('are read at the first failure, not at the start: that reads the whole queue on NATS', async () => {
    const { bus } = await open();
    const { admin } = bus.transport;
    const reads: unknown[] = [];
    const queues = admin.queues.bind(admin);
    Object.defineProperty(admin, 'queues', {
      value: (...args: Parameters<typeof queues>) => {
        reads.push(args[0]?.names);
        return queues(...args);
      },
    });
    const failures: unknown[] = [];
    bus.events.on('failed', ({ attempt, next }) => failures.push([attempt, next]));
    await bus.transport.queues.configure('jobs', { maxAttempts: 2 });
    await bus.process('jobs', ({ body }) => (body === 'good' ? 'done' : Promise.reject(new Error('bad'))), {
      retry: { baseMs: 0 },
    });
    expect(await (await bus.enqueue('jobs', 'good')).result()).toBe('done');
    expect(reads).toEqual([]);
    const [one, other] = [await bus.enqueue('jobs', 'bad'), await bus.enqueue('jobs', 'bad')];
    for (const task of [one, other]) await expect(task.result()).rejects.toMatchObject({ code: 'HANDLER_FAILED' });
    await expect
      .poll(() => failures.toSorted())
      .toEqual([1, 1, 2, 2].map((n) => [n, n === 1 ? 'retry' : 'dead-letter']));
    expect(reads).toEqual([['jobs']]);
  });

  it('count as five while they cannot be read', async () => {
    const { bus, errors } = await open();
    const unread = vi
      .spyOn(bus.transport.admin, 'queues')
      .mockRejectedValueOnce(new BusbarError('UNAVAILABLE', 'away'));
    await bus.transport.queues.configure('jobs', { maxAttempts: 2 });
    await bus.process('jobs', () => Promise.reject(new Error('bad')), { retry: { baseMs: 0 } });
    const task = await bus.enqueue('jobs');
    await expect(task.result()).rejects.toMatchObject({ code: 'HANDLER_FAILED' });
    expect(errors.map(({ code }) => code)).toEqual(['UNAVAILABLE', 'HANDLER_FAILED', 'HANDLER_FAILED']);
    expect(unread).toHaveBeenCalledTimes(2);
  });
});

describe('the time limit of a handler', () => {
  it('is 1 to 2^31-1', async () => {
    const { bus } = await open();
    const agent = await bus.agent('@a');
    for (const timeoutMs of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, '5' as never]) {
      await expect(bus.process('jobs', () => undefined, { timeoutMs })).rejects.toEqual(INVALID);
      expect(() => agent.handle('x', () => undefined, { timeoutMs })).toThrow(INVALID);
    }
    const options = { durableName: 'd', timeoutMs: 0 };
    await expect(bus.subscribe('news', () => undefined, options)).rejects.toEqual(INVALID);
    await expect(bus.subscribe('news', () => undefined, { timeoutMs: 0 })).rejects.toEqual(INVALID);
  });

  it('is in the history of the message, and a later rejection of the handler changes nothing', async () => {
    const { bus, errors } = await open();
    const late = Promise.withResolvers<never>();
    await bus.process('jobs', () => late.promise, { timeoutMs: 20, maxAttempts: 1 });
    const task = await bus.enqueue('jobs');
    await expect(task.result()).rejects.toMatchObject({ code: 'HANDLER_FAILED', message: /within 20 ms/ });
    late.reject(new Error('too late'));
    await new Promise(setImmediate);
    expect(errors.map(({ cause }) => cause)).toEqual([expect.objectContaining({ code: 'TIMEOUT' })]);
  });

  it('ends a durable subscription’s attempt and a generator', async () => {
    const { bus } = await open();
    const attempts: number[] = [];
    async function* stream(): AsyncGenerator<number> {
      yield 1;
      await never;
    }
    const handler = (_: unknown, { attempt }: { attempt: number }) => {
      attempts.push(attempt);
      return attempt === 1 ? stream() : undefined;
    };
    await bus.subscribe('news', handler, { durableName: 'd', timeoutMs: 20, retry: { baseMs: 0 } });
    await bus.publish('news');
    await expect.poll(() => attempts).toEqual([1, 2]);
  });

  it('does not bound the opening, which has bounds of its own', async () => {
    const { bus } = await open();
    const open_ = { signal: AbortSignal.abort() };
    await expect(bus.process('jobs', () => undefined, { open: open_, leaseMs: 100 })).rejects.toMatchObject({
      code: 'ABORTED',
    });
    await expect(bus.process('jobs', () => undefined, { open: { timeoutMs: -1 }, leaseMs: 100 })).rejects.toEqual(
      INVALID,
    );
    await expect(bus.process('jobs', () => undefined, { open: 5 as never })).rejects.toEqual(INVALID);
  });
});

describe('a RetryError', () => {
  it('takes a wait of 0 to ten years', () => {
    for (const afterMs of [-1, Number.NaN, Number.POSITIVE_INFINITY, '1' as never]) {
      expect(() => new RetryError('x', { afterMs })).toThrow(INVALID);
    }
    expect(() => new RetryError('x', { after: 1 } as never)).toThrow(INVALID);
    expect(new RetryError('x', { cause: 'y' })).toMatchObject({ afterMs: undefined, cause: 'y', message: 'x' });
  });

  it('counts as an attempt, and its text is the reason', async () => {
    const { bus } = await open();
    const fail = () => Promise.reject(new RetryError('rate limited', { afterMs: 0 }));
    await bus.process('jobs', fail, { maxAttempts: 2 });
    const task = await bus.enqueue('jobs');
    await expect(task.result()).rejects.toMatchObject({ message: expect.stringMatching(/died: rate limited$/) });
    expect((await bus.deadLetters('jobs').browse()).messages).toMatchObject([{ attempt: 2, reason: 'rate limited' }]);
  });

  it('of another copy of the package counts, too', async () => {
    const { bus } = await open();
    const other = Object.assign(new Error('later'), { [Symbol.for('busbar.retry')]: true, afterMs: 0 });
    await bus.process('jobs', () => Promise.reject(other), { maxAttempts: 2, retry: { baseMs: 60_000 } });
    const task = await bus.enqueue('jobs');
    await expect(task.result()).rejects.toMatchObject({ code: 'HANDLER_FAILED' });
  });
});

describe('a handler that blocks the event loop', () => {
  const block = (ms: number): void => {
    const until = performance.now() + ms;
    while (performance.now() < until);
  };

  it.each([
    ['at once', () => block(300)],
    [
      'later',
      async () => {
        await new Promise(setImmediate);
        block(500);
      },
    ],
  ])('%s for longer than half of its lease is reported, once for many messages', async (_, handler) => {
    const { bus, failures } = await open();
    await bus.process('jobs', handler, { leaseMs: 590, concurrency: 1 });
    const tasks = await bus.enqueueAll('jobs', [1, 2]);
    for (const task of tasks) await task.result();
    expect(failures.filter(({ error }) => error.code === 'TIMEOUT')).toEqual([
      expect.objectContaining({ kind: 'task', queue: 'jobs', id: tasks[0]?.id, attempt: 1 }),
    ]);
  });

  it.each([400, 480, 560])('after an await for %d ms is reported, wherever the last renewal was', async (ms) => {
    const { bus, failures } = await open();
    const handler = async (): Promise<void> => {
      await new Promise(setImmediate);
      block(ms);
    };
    await bus.process('jobs', handler, { leaseMs: 600 });
    await (await bus.enqueue('jobs')).result();
    expect(failures).toMatchObject([{ error: { code: 'TIMEOUT' }, kind: 'task', queue: 'jobs' }]);
  });

  it('in a batch is reported for a task of it', async () => {
    const { bus, failures } = await open();
    await bus.process('jobs', () => block(300), { leaseMs: 590, batch: { max: 2 } });
    for (const task of await bus.enqueueAll('jobs', [1, 2])) await task.result();
    expect(failures.filter(({ error }) => error.code === 'TIMEOUT')).toMatchObject([{ kind: 'task', queue: 'jobs' }]);
  });

  it('for less is not', async () => {
    const { bus, failures } = await open();
    await bus.process('jobs', () => block(300), { leaseMs: 6_000 });
    await (await bus.enqueue('jobs')).result();
    expect(failures).toEqual([]);
  });
});

describe('a message that is postponed', () => {
  it('is said by a boolean', () => {
    expect(() => new RetryError('x', { countAttempt: 0 as never })).toThrow(INVALID);
    expect(new RetryError('x').countAttempt).toBe(true);
    expect(new RetryError('x', { countAttempt: false })).toMatchObject({ afterMs: undefined, countAttempt: false });
  });

  it('waits as its policy says, and its history stays empty', async () => {
    const { bus, errors } = await open();
    const attempts: number[] = [];
    const snooze = (_: unknown, { attempt }: { attempt: number }) => {
      attempts.push(attempt);
      if (attempts.length < 5) throw new RetryError('not yet', { countAttempt: false });
      throw new Error('broken');
    };
    await bus.process('jobs', snooze, { maxAttempts: 1, retry: () => 0 });
    await bus.enqueue('jobs');
    await expect.poll(() => attempts).toEqual([1, 1, 1, 1, 1]);
    await expect.poll(async () => (await bus.deadLetters('jobs').browse()).messages).toMatchObject([{ attempt: 1 }]);
    const [letter] = (await bus.transport.admin.browse('jobs', { state: 'dead' })).messages;
    expect(letter?.history).toHaveLength(1);
    expect(errors).toHaveLength(1);
  });

  it('is an agent’s, a durable subscription’s, or one of another copy of the package', async () => {
    const { bus } = await open();
    const other = { [Symbol.for('busbar.retry')]: true, afterMs: 0, countAttempt: false };
    const attempts: number[] = [];
    const snoozeOnce = (_: unknown, { attempt }: { attempt: number }) => {
      attempts.push(attempt);
      if (attempts.length % 2 === 1) throw Object.assign(new Error('not yet'), other);
    };
    const agent = await bus.agent('@a');
    agent.handle('*', snoozeOnce);
    await agent.send('@a', 'x');
    await expect.poll(() => attempts).toEqual([1, 1]);
    await bus.subscribe('news', snoozeOnce, { durableName: 'd' });
    await bus.publish('news');
    await expect.poll(() => attempts).toEqual([1, 1, 1, 1]);
  });

  it('is released with a delay without a handler, too', async () => {
    const { bus } = await open();
    const agent = await bus.agent('@a');
    await agent.send('@a', 'x');
    await bus.enqueue('jobs');
    const [message] = await agent.receive();
    const [task] = await bus.takeTasks('jobs');
    for (const held of [message!, task!]) {
      await expect(held.release({ delayMs: -1 })).rejects.toEqual(INVALID);
      await expect(held.release({ after: 1 } as never)).rejects.toEqual(INVALID);
      await held.release({ delayMs: 20 });
      await expect(held.release()).rejects.toMatchObject({ code: 'LEASE_LOST' });
    }
    const [again] = await agent.receive({ waitMs: 5_000 });
    const [taken] = await bus.takeTasks('jobs', { waitMs: 5_000 });
    expect([again?.attempt, taken?.attempt]).toEqual([1, 1]);
  });
});

describe('a retry function', () => {
  it.each([
    [
      'throws',
      () => {
        throw new Error('in retry');
      },
    ],
    ['rejects', () => Promise.reject(new Error('in retry')) as never],
    ['returns nothing', () => undefined as never],
    ['returns a negative wait', () => -1],
    ['returns NaN', () => Number.NaN],
  ])('that %s is reported, and the default policy counts', async (_, retry) => {
    const { bus, errors } = await open();
    let runs = 0;
    const fail = () => {
      runs += 1;
      throw new Error('broken');
    };
    await bus.process('jobs', fail, { maxAttempts: 2, retry });
    const task = await bus.enqueue('jobs');
    await expect.poll(() => errors.length).toBe(2);
    expect([runs, await task.status()]).toEqual([1, 'delayed']);
  });

  it('may wait for ever so long: the wait is cut at ten years', async () => {
    const { bus } = await open();
    const fail = () => Promise.reject(new Error('broken'));
    await bus.process('jobs', fail, { retry: (attempt) => 10 ** (10 ** attempt) });
    const task = await bus.enqueue('jobs');
    await expect.poll(() => task.status()).toBe('delayed');
  });

  it('decides for messages that an agent receives without a handler', async () => {
    const { bus } = await open();
    const agent = await bus.agent('@a', { retry: (attempt) => (attempt === 1 ? 0 : 'reject') });
    await agent.send('@a', 'x');
    for (const message of await agent.receive()) await message.retry();
    for (const message of await agent.receive({ waitMs: 5_000 })) await message.retry({ reason: 'no more' });
    const { messages } = await bus.deadLetters({ agent: '@a' }).browse();
    expect(messages).toMatchObject([{ attempt: 2, reason: 'no more' }]);
  });
});
