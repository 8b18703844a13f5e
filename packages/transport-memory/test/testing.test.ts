// The test kit: a bus in memory whose time a test moves.
import { defineQueue, RejectError } from '@busbar/api';
import { describe, expect, it } from 'vitest';
import { fakeContext, fakeMessage, idle, openTestClock, testBus } from '../src/testing.ts';

describe('the clock', () => {
  it('runs a delayed task when its time has come, not before', async () => {
    await using bus = await testBus();
    const done: unknown[] = [];
    await bus.process('mail', ({ body }) => void done.push(body));
    await bus.enqueue('mail', 'later', { delayMs: 3_600_000 });
    await bus.clock.advance(3_599_999);
    expect(done).toEqual([]);
    await bus.clock.advance(1);
    expect(done).toEqual(['later']);
  });

  it('moves times, backoff, leases and presence together', async () => {
    await using bus = await testBus();
    const began = Date.now();
    const agent = await bus.agent('@a');
    const attempts: number[] = [];
    agent.handle('work', async (_, { attempt, signal }) => {
      attempts.push(Date.now() - began);
      if (attempt === 1) throw new Error('once');
      await new Promise((resolve) => setTimeout(resolve, 120_000));
      signal.throwIfAborted();
    });
    await bus.agent('@b').then((b) => b.send('@a', 'work'));
    await bus.clock.advance(300_000);
    await idle(bus);
    expect(attempts).toHaveLength(2);
    expect(attempts[1]).toBeGreaterThan(attempts[0]!);
    expect(Date.now() - began).toBe(300_000);
    expect(await bus.agents({ online: true })).toHaveLength(2);
    expect(bus.failures.map(({ kind, error }) => [kind, error.code])).toEqual([['message', 'HANDLER_FAILED']]);
  });

  it('fires schedules and times requests out', async () => {
    await using bus = await testBus();
    const fired: string[] = [];
    await bus.process('report', ({ headers }) => void fired.push(headers['schedule-time'] ?? ''));
    await bus.schedules.put('minutely', { cron: '* * * * *', queue: 'report' });
    bus.schedules.start();
    await bus.clock.advance(120_000);
    expect(fired).toHaveLength(2);
    const slow = await bus.agent('@slow');
    slow.handle('ask', () => new Promise(() => undefined));
    const answer = bus.request('@slow', 'ask', undefined, { timeoutMs: 1_000 }).catch((error: unknown) => error);
    await bus.clock.advance(1_000);
    expect(await answer).toMatchObject({ code: 'TIMEOUT' });
  });

  it('ends waits exactly at their time', async () => {
    for (let round = 0; round < 25; round += 1) {
      await using bus = await testBus();
      const shop = await bus.agent('@shop');
      shop.handle('ask', (_, { signal }) => new Promise((resolve) => signal.addEventListener('abort', resolve)));
      const buyer = await bus.agent('@buyer');
      const codes: string[] = [];
      const asked = buyer.request('@shop', 'ask', undefined, { timeoutMs: 500 });
      void asked.catch(({ code }: { readonly code: string }) => codes.push(code));
      await bus.clock.advance(500);
      expect(codes).toEqual(['TIMEOUT']);
    }
  });

  it('gives handlers a context whose methods can be taken from it', async () => {
    await using bus = await testBus();
    await bus.agent('@a');
    await bus.process('jobs', async (_, { publish, progress, send, log }) => {
      log('begins');
      await progress(50);
      await send('@a', 'done');
      await publish('done', 1);
      return 'result';
    });
    const task = await bus.enqueue('jobs');
    expect(await task.result()).toBe('result');
    expect(bus.failures).toEqual([]);
  });

  it('is one for the process, and ends with its last user', async () => {
    const { setTimeout, Date: RealDate } = globalThis;
    const one = await testBus({ memory: { name: 'shared' } });
    const other = await testBus({ memory: { name: 'shared' } });
    await one.clock.advance(5_000);
    expect(other.clock.now).toBe(one.clock.now);
    expect(new Date(Date.now())).toEqual(new Date());
    const got = Promise.withResolvers<unknown>();
    await other.process('jobs', ({ body }) => got.resolve(body));
    await one.enqueue('jobs', 1);
    expect(await got.promise).toBe(1);
    await one.close();
    expect(globalThis.Date).not.toBe(RealDate);
    await other.close();
    expect([globalThis.setTimeout, globalThis.Date, Object.hasOwn(performance, 'now')]).toEqual([
      setTimeout,
      RealDate,
      false,
    ]);
  });

  it('has timers like those of Node', async () => {
    await using clock = openTestClock();
    const ran: string[] = [];
    const timer = setTimeout((text: string) => ran.push(text), 10, 'refreshed');
    const every = setInterval(() => ran.push('every'), 4);
    clearTimeout(setTimeout(() => ran.push('never'), 1));
    clearTimeout(+setTimeout(() => ran.push('never'), 1));
    expect([timer.hasRef(), timer.unref().hasRef(), timer.ref().hasRef()]).toEqual([true, false, true]);
    await clock.advance(9);
    timer.refresh();
    await clock.advance(5);
    clearInterval(every);
    await clock.advance(5);
    expect(ran).toEqual(['every', 'every', 'every', 'refreshed']);
    setTimeout(() => {
      throw new Error('of a timer');
    }, 1);
    await expect(clock.advance(1)).rejects.toThrow('of a timer');
    expect(() => clock.advance(-1)).toThrow('ms is illegal');
  });

  it('does not hold up the close of a bus whose handler waits for it', async () => {
    const bus = await testBus();
    const aborted = Promise.withResolvers<void>();
    await bus.process('jobs', async (_, { signal }) => {
      signal.addEventListener('abort', () => aborted.resolve());
      await aborted.promise;
    });
    await bus.enqueue('jobs', 1);
    await bus.clock.advance(0);
    await bus.close({ drainMs: 20 });
    await aborted.promise;
  });
});

describe('idle', () => {
  it('waits for chains of tasks, and names the queues that are not idle', async () => {
    await using bus = await testBus();
    const seen: unknown[] = [];
    await bus.process('first', async ({ body }, context) => void (await context.enqueue('second', body)));
    await bus.process('second', ({ body }) => void seen.push(body));
    await bus.enqueue('first', 1);
    await idle(bus);
    expect(seen).toEqual([1]);
    await bus.enqueue(defineQueue('nobody'), 1);
    await expect(idle(bus, { timeoutMs: 20 })).rejects.toThrow('nobody has 1 ready, 0 held');
    await idle(bus, { queues: [defineQueue('second')] });
    await expect(idle(bus, { queue: 'x' } as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

describe('the record and the failures', () => {
  it('keep what a bus sends, and make operations and handlers fail', async () => {
    await using bus = await testBus();
    const agent = await bus.agent('@a');
    agent.handle('note', async ({ body }, context) => void (await context.publish('noted', body)));
    await agent.send('@a', 'note', 1, { headers: { trace: 'x' } });
    await idle(bus);
    expect(bus.sent).toEqual([
      { kind: 'send', target: '@a', type: 'note', from: '@a', body: 1, headers: { trace: 'x' } },
      { kind: 'publish', target: 'noted', type: undefined, from: '@a', body: 1, headers: {} },
    ]);
    bus.injectFailure({ on: 'enqueue', target: defineQueue('jobs') });
    await bus.enqueue('other', 1);
    await expect(bus.enqueue('jobs', 1)).rejects.toMatchObject({ code: 'UNAVAILABLE', outcome: 'failed' });
    const end = bus.injectFailure({ on: 'enqueue', when: 'after', times: 2 });
    const lost = bus.enqueue('jobs', 1, { dedupeKey: 'a' });
    await expect(lost).rejects.toMatchObject({ code: 'UNAVAILABLE', outcome: 'unknown' });
    end();
    expect((await bus.enqueue('jobs', 1, { dedupeKey: 'a' })).isDuplicate).toBe(true);
    expect(() => bus.injectFailure({ on: 'ack' as never })).toThrow('on is illegal');
    expect(() => bus.injectFailure({ on: 'send', times: 0 })).toThrow('times is illegal');
  });

  it('fail a handler before its effects, or after them', async () => {
    await using bus = await testBus();
    const ran: number[] = [];
    bus.injectFailure({ on: 'handle', target: 'jobs', error: new Error('before') });
    bus.injectFailure({ on: 'handle', when: 'after', error: new RejectError('after') });
    await bus.process('jobs', (_, { attempt }) => void ran.push(attempt));
    const task = await bus.enqueue('jobs', 1);
    const result = task.result().catch((error: unknown) => error);
    await bus.clock.advance(10_000);
    expect(await result).toMatchObject({ code: 'HANDLER_FAILED' });
    expect(ran).toEqual([2]);
    expect(bus.failures.map(({ error }) => error.message)).toEqual([
      expect.stringContaining('before'),
      expect.stringContaining('after'),
    ]);
  });
});

describe('a fake context', () => {
  const square = defineQueue('square');

  it('has the children that it is given, and keeps the tasks of a flow', async () => {
    const child = { id: 'count#1', queue: 'count', state: 'done', result: 3 } as const;
    const context = fakeContext({ children: [child], responses: { sum: 4 } });
    expect(await context.children()).toEqual([child]);
    const parent = await context.flow({ queue: 'sum', body: 1, children: [{ queue: square, body: 2 }] });
    expect(await parent.result()).toBe(4);
    expect(context.sent.map(({ kind, target, body }) => [kind, target, body])).toEqual([
      ['enqueue', 'sum', 1],
      ['enqueue', 'square', 2],
    ]);
  });

  it('keeps what a handler does', async () => {
    const context = fakeContext({ attempt: 3, responses: { price: 7, square: (body: unknown) => Number(body) ** 2 } });
    await context.send({ capability: 'mail' }, 'note', 'a', { headers: { x: '1' } });
    await context.publish('done', 1);
    expect(await context.request('@shop', 'price', 'apple')).toBe(7);
    expect(await (await context.enqueue(square, 3, { type: 'odd' })).result()).toBe(9);
    const stream = context.requestStream('@shop', 'price');
    for await (const part of stream) expect(part).toBe('never');
    expect(await stream.result).toBe(7);
    await expect(context.request('@shop', 'other')).rejects.toThrow('no response for other');
    await context.progress(0.5);
    await context.reply('part');
    await context.extend();
    context.log('hello', 'warn');
    expect([context.attempt, context.extensions, context.source]).toEqual([3, 1, { kind: 'task', queue: 'test' }]);
    expect([context.progressed, context.replied, context.logged]).toEqual([
      [0.5],
      ['part'],
      [{ text: 'hello', level: 'warn' }],
    ]);
    expect(context.sent.map(({ kind, target, type }) => [kind, target, type])).toEqual([
      ['send', 'mail', 'note'],
      ['publish', 'done', undefined],
      ['request', '@shop', 'price'],
      ['enqueue', 'square', 'odd'],
      ['request', '@shop', 'price'],
      ['request', '@shop', 'other'],
    ]);
    context.abort();
    expect(context.signal.aborted).toBe(true);
  });

  it('has a message for a handler', () => {
    expect(fakeMessage({ a: 1 }, { type: 'x', attempt: 2 })).toMatchObject({ body: { a: 1 }, type: 'x', attempt: 2 });
  });
});
