/** Events: live and durable subscriptions and history, on several backends. */

import { type BusbarError, defineTopic, type ReceivedMessage, RejectError } from '@busbar/api';
import { waitFor } from '@busbar/testbed';
import { describe, expect, test } from 'vitest';
import { all, backends, Lab } from '../lab.ts';
import { stringSchema } from '../schemas.ts';

const code = (wanted: string) => expect.objectContaining({ code: wanted });
const fast = { baseMs: 1, maxMs: 5 };

describe.each(backends)('on %s', (backend) => {
  const open = () => Lab.open(backend);

  test('a live subscriber gets later events in order, one at a time', async () => {
    await using lab = await open();
    const [a, b] = [await lab.bus(), await lab.bus()];
    await a.publish('user.login', 0);
    const seen: number[] = [];
    let inside = 0;
    const subscription = await b.subscribe<number>('user.*', async (event, ctx) => {
      inside += 1;
      expect(inside).toBe(1);
      expect(ctx.attempt).toBe(1);
      await Promise.resolve();
      seen.push(event.body);
      inside -= 1;
    });
    const published = await Promise.all([1, 2, 3].map((body) => a.publish('user.login', body)));
    await a.publish('order.new', 9);
    await waitFor(() => seen.length === 3, { what: 'three events' });
    expect(seen).toEqual([1, 2, 3]);
    expect(published[2]).toMatchObject({ status: 'stored', position: subscription.position });
    expect(subscription).toMatchObject({ pattern: 'user.*', durableName: undefined, dropped: 0 });
    await subscription.close();
    expect(await subscription.ended).toBeUndefined();
    await a.publish('user.login', 4);
    expect(seen).toHaveLength(3);
  });

  test('from the start, a position, a time; after the last handled event', async () => {
    await using lab = await open();
    const bus = await lab.bus();
    const positions: string[] = [];
    for (const body of [1, 2, 3]) positions.push((await bus.publish('n', body)).position!);
    const read = async (from: 'start' | { after: string } | { time: number }, count: number) => {
      const seen: unknown[] = [];
      await using subscription = await bus.subscribe('n', (event) => void seen.push(event.body), { from });
      await waitFor(() => seen.length === count && subscription.position === positions[2], { what: 'events' });
      return seen;
    };
    expect(await read('start', 3)).toEqual([1, 2, 3]);
    expect(await read({ after: positions[0]! }, 2)).toEqual([2, 3]);
    expect(await read({ time: 0 }, 3)).toEqual([1, 2, 3]);
  });

  test('a handler that throws is reported, and the next event follows', async () => {
    await using lab = await open();
    const bus = await lab.bus();
    const seen: unknown[] = [];
    await bus.subscribe('n', (event) => {
      if (event.body === 1) throw new Error('no');
      seen.push(event.body);
    });
    await bus.publish('n', 1);
    await bus.publish('n', 2);
    await waitFor(() => seen.length === 1, { what: 'the second event' });
    expect(lab.errors).toMatchObject([{ code: 'HANDLER_FAILED', cause: { message: 'no' } }]);
  });

  test('closing ends between two events of a batch', async () => {
    await using lab = await open();
    const bus = await lab.bus();
    for (const body of [1, 2, 3]) await bus.publish('n', body);
    const seen: unknown[] = [];
    const begun = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    const subscription = await bus.subscribe(
      'n',
      async (event) => {
        seen.push(event.body);
        begun.resolve();
        await go.promise;
      },
      { from: 'start' },
    );
    await begun.promise;
    const closing = subscription.close();
    go.resolve();
    await closing;
    expect(seen).toEqual([1]);
    await using next = await bus.subscribe(
      'n',
      (event) => {
        seen.push(event.body);
      },
      { from: { after: subscription.position! } },
    );
    await waitFor(() => seen.length === 3, { what: 'the rest' });
    expect(seen).toEqual([1, 2, 3]);
    expect(next.running).toBeLessThanOrEqual(1);
  });

  test('a durable subscription stores events without subscribers; its subscribers share them', async () => {
    await using lab = await open();
    const [a, b] = [await lab.bus(), await lab.bus()];
    await a.publish('user.login', 0);
    const first = await a.subscribe<number>('user.*', () => undefined, { durableName: 'analytics', from: 'start' });
    await waitFor(async () => (await depth(a, '$sub.analytics')) === 0, { what: 'history handled' });
    await first.close();
    expect(await first.ended).toBeUndefined();
    await Promise.all([1, 2, 3, 4].map((body) => a.publish('user.login', body)));
    expect(await depth(a, '$sub.analytics')).toBe(4);
    await a.close();
    const seen: number[] = [];
    const handler = (event: ReceivedMessage<number>) => void seen.push(event.body);
    await b.subscribe('user.*', handler, { durableName: 'analytics', from: 'start' });
    const c = await lab.bus();
    await c.subscribe('user.*', handler, { durableName: 'analytics', concurrency: 4 });
    await c.publish('user.login', 5);
    await waitFor(() => seen.length === 5, { what: 'five events' });
    expect(seen.toSorted()).toEqual([1, 2, 3, 4, 5]);
  });

  test('an event of a failing durable handler is retried, then becomes a dead letter', async () => {
    await using lab = await open();
    const bus = await lab.bus();
    const attempts: [unknown, number][] = [];
    await bus.subscribe(
      'n',
      (event, ctx) => {
        attempts.push([event.body, ctx.attempt]);
        if (event.body === 1) throw new Error('no');
        if (event.body === 2) throw new RejectError('never');
      },
      { durableName: 'd', retry: fast, maxAttempts: 2 },
    );
    await bus.publish('n', 1);
    await bus.publish('n', 2);
    await bus.publish('n', 3);
    const letters = bus.deadLetters({ subscription: 'd' });
    await waitFor(async () => (await letters.count()) === 2 && (await depth(bus, '$sub.d')) === 0, { what: 'the end' });
    expect(attempts.toSorted()).toEqual([
      [1, 1],
      [1, 2],
      [2, 1],
      [3, 1],
    ]);
    expect((await letters.browse()).messages.map((letter) => letter.topic)).toEqual(['n', 'n']);
  });

  test('unsubscribe deletes a durable subscription', async () => {
    await using lab = await open();
    const bus = await lab.bus();
    await (await bus.subscribe('n', () => undefined, { durableName: 'd' })).close();
    expect(await bus.unsubscribe('d')).toBe(true);
    expect(await bus.unsubscribe('d')).toBe(false);
    await bus.publish('n', 1);
    expect(await bus.transport.admin.queues()).toEqual([]);
    expect(await bus.transport.admin.bindings()).toEqual([]);
  });

  test('ephemeral events reach present subscribers and leave nothing', async () => {
    await using lab = await open();
    const bus = await lab.bus();
    const seen: unknown[] = [];
    await bus.subscribe('n', (event) => void seen.push([event.body, event.position]));
    expect(await bus.publish('n', 1, { ephemeral: true })).toMatchObject({ position: undefined });
    await waitFor(() => seen.length === 1, { what: 'the event' });
    expect(seen).toEqual([[1, undefined]]);
    expect(await all(bus.history('n'))).toEqual([]);
  });

  test('an id is published once', async () => {
    await using lab = await open();
    const bus = await lab.bus();
    const first = await bus.publish('n', 1, { id: 'x', headers: { trace: 'ab' }, priority: 9 });
    expect(await bus.publish('n', 2, { id: 'x' })).toEqual({ ...first, status: 'duplicate' });
    const [event] = await all(bus.history('n'));
    expect(event).toMatchObject({ id: 'x', body: 1, topic: 'n', headers: { trace: 'ab' }, position: first.position });
  });

  test('history begins at `from` and ends at the present end', async () => {
    await using lab = await open();
    const bus = await lab.bus();
    const positions: string[] = [];
    for (let body = 0; body < 600; body += 1) positions.push((await bus.publish(`n.${body % 3}`, body)).position!);
    await bus.publish('other', 'x');
    const bodies = async (pattern: string, options?: Parameters<typeof bus.history>[1]) =>
      (await all(bus.history<number>(pattern, options))).map((event) => event.body);
    expect(await bodies('n.*')).toEqual([...positions.keys()]);
    expect(await bodies('n.1')).toHaveLength(200);
    expect(await bodies('nothing.>')).toEqual([]);
    expect(await bodies('n.*', { limit: 2 })).toEqual([0, 1]);
    expect(await bodies('n.*', { from: { after: positions[596]! } })).toEqual([597, 598, 599]);
    expect(await bodies('n.*', { from: { after: positions[599]! } })).toEqual([]);
    expect(await bodies('n.*', { from: { time: Date.now() + 60_000 } })).toEqual([]);
  });

  test('history does not include events that are published while it is read', async () => {
    await using lab = await open();
    const bus = await lab.bus();
    for (const body of [1, 2, 3]) await bus.publish('n', body);
    const seen: unknown[] = [];
    for await (const event of bus.history('n')) {
      seen.push(event.body);
      await bus.publish('n', 'more');
    }
    expect(seen).toEqual([1, 2, 3]);
    const abort = new AbortController();
    const reader = bus.history('n', { signal: abort.signal, from: { time: 0 } });
    await reader.next();
    abort.abort();
    await expect(all(reader)).rejects.toEqual(code('ABORTED'));
  });

  test('typed topics check both sides', async () => {
    await using lab = await open();
    const bus = await lab.bus();
    const names = defineTopic('names', stringSchema);
    await expect(bus.publish(names, 5 as never)).rejects.toEqual(code('INVALID_ARGUMENT'));
    const live: string[] = [];
    await bus.subscribe(names, (event) => void live.push(event.body));
    await bus.subscribe(names, () => undefined, { durableName: 'typed', onInvalid: 'reject' });
    await bus.publish('names', 5);
    await bus.publish(names, 'ada');
    await waitFor(() => live.length === 1, { what: 'the good one' });
    expect(live).toEqual(['ada']);
    const letters = bus.deadLetters({ subscription: 'typed' });
    await waitFor(async () => (await letters.count()) === 1, { what: 'a dead letter' });
    expect((await letters.browse()).messages[0]?.reason).toContain('expected a string');
    expect(lab.errors.some((error: BusbarError) => error.code === 'HANDLER_FAILED')).toBe(true);
  });

  test('drain takes no new events, and sending goes on', async () => {
    await using lab = await open();
    const bus = await lab.bus();
    const go = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    let handled = 0;
    await bus.subscribe('n', () => {
      handled += 1;
    });
    await bus.process('work', async () => {
      begun.resolve();
      await go.promise;
      handled += 1;
    });
    await bus.enqueue('work', 1);
    await begun.promise;
    const draining = bus.drain();
    go.resolve();
    await draining;
    expect(handled).toBe(1);
    await bus.publish('n', 1);
    const handle = await bus.enqueue('work', 2);
    expect(await handle.status()).toBe('queued');
  });

  test('events of a live handler are stored each time', async () => {
    await using lab = await open();
    const bus = await lab.bus();
    const seen: ReceivedMessage[] = [];
    await bus.subscribe('out', (event) => void seen.push(event));
    await bus.subscribe('in', async (event, ctx) => void (await ctx.publish('out', event.body)));
    const { id } = await bus.publish('in', 1);
    await waitFor(() => seen.length === 1, { what: 'the second event' });
    expect(seen[0]).toMatchObject({ causationId: id, hops: 1, body: 1 });
  });
});

async function depth(bus: { transport: import('@busbar/api/transport').Transport }, queue: string): Promise<number> {
  const [info] = await bus.transport.admin.queues({ names: [queue] });
  return (info?.ready ?? 0) + (info?.leased ?? 0) + (info?.delayed ?? 0);
}

test('bad input is refused', async () => {
  await using lab = await Lab.open('memory');
  const bus = await lab.bus();
  const refuse = (work: Promise<unknown>) => expect(work).rejects.toEqual(code('INVALID_ARGUMENT'));
  const none = () => undefined;
  for (const topic of ['', 'a.*', 'a.>', '$x', 'a b', 5, {}]) await refuse(bus.publish(topic as string, 1));
  for (const options of [{ ephemeral: 1 }, { x: 1 }, { delayMs: 5 }, { headers: { 'bus-x': 'y' } }, { id: '' }, 5]) {
    await refuse(bus.publish('t', 1, options as object));
  }
  for (const pattern of ['', 'a.>.b', '$x.>', 'a b', 5, undefined])
    await refuse(bus.subscribe(pattern as string, none));
  const options = [
    { from: 'now' },
    { from: { after: '' } },
    { from: { time: 'x' } },
    { from: { after: 'x', time: 1 } },
    { durable: '$x' },
    { durable: '' },
    { concurrency: 2 },
    { retry: {} },
    { consumer: 'c' },
    { durable: 'd', concurrency: 0 },
    { nope: 1 },
    5,
  ];
  for (const bad of options) await refuse(bus.subscribe('t', none, bad as object));
  await refuse(bus.subscribe('t', undefined as never));
  await refuse(bus.subscribe('t', none, { from: { after: 'foreign' } }));
  await refuse(bus.unsubscribe('$x'));
  for (const bad of [{ from: 'new' }, { from: 5 }, { limit: 0 }, { x: 1 }, 5]) {
    expect(() => bus.history('t', bad as object)).toThrow(code('INVALID_ARGUMENT') as never);
  }
  await bus.close();
  await expect(bus.publish('t', 1)).rejects.toEqual(code('CLOSED'));
  await expect(bus.subscribe('t', none)).rejects.toEqual(code('CLOSED'));
});
