// The types that definitions give to senders, handlers and requesters.
import {
  type Agent,
  type Bus,
  type Context,
  defineMessage,
  defineQueue,
  defineRequest,
  defineTopic,
  type HandlerOf,
  type InputOf,
  type Lock,
  type OutputOf,
  openBus,
  type TaskHandle,
} from '@busbar/api';
import { openMemory } from '@busbar/transport-memory';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { numberSchema, spelled, stringSchema } from '../schemas.ts';

describe('definitions', () => {
  it('give each side its types; a transforming schema acts at the receiver', async () => {
    await using bus = openBus(await openMemory());
    const agent = await bus.agent('agent');
    const twice = defineRequest('twice', { request: spelled, response: numberSchema, part: stringSchema });
    agent.handle(twice, async function* (msg, ctx) {
      expectTypeOf(msg.body).toEqualTypeOf<number>();
      expectTypeOf(ctx.signal).toEqualTypeOf<AbortSignal>();
      yield 'half';
      return msg.body * 2;
    });
    const answer = await bus.request('agent', twice, '21');
    expectTypeOf(answer).toEqualTypeOf<number>();
    expect(answer).toBe(42);
    // @ts-expect-error a request has the input of its schema
    const refused = bus.request('agent', twice, 21);
    await refused;
    const stream = bus.requestStream('agent', twice, '1');
    for await (const part of stream) expectTypeOf(part).toEqualTypeOf<string>();
    expectTypeOf(stream.result).toEqualTypeOf<Promise<number>>();
    expectTypeOf(await bus.request('agent', 'twice', '1')).toEqualTypeOf<unknown>();
    expectTypeOf(await bus.request<{ a: 1 }>('agent', 'twice', '1')).toEqualTypeOf<{ a: 1 }>();
  });

  it('type tasks, their handles and events', async () => {
    await using bus = openBus(await openMemory());
    const square = defineQueue('square', { task: spelled, result: numberSchema });
    await bus.process(square, ({ body }) => {
      expectTypeOf(body).toEqualTypeOf<number>();
      return body * body;
    });
    const { id } = await bus.enqueue(square, '7');
    const handle = bus.task(square, id);
    expectTypeOf(handle).toEqualTypeOf<TaskHandle<number>>();
    expect(await handle.result()).toBe(49);
    // @ts-expect-error a task has the input of its schema
    await bus.enqueue(square, 7);
    const news = defineTopic('news', spelled);
    await bus.publish(news, '5');
    for await (const { body } of bus.history(news)) {
      expectTypeOf(body).toEqualTypeOf<number>();
      expect(body).toBe(5);
    }
    const strict = defineTopic('news', numberSchema);
    await expect(bus.history(strict).next()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(bus.deadLetters(square).queue).toBe('square');
  });

  it('let options exclude each other', async () => {
    await using bus = openBus(await openMemory());
    const refused = [
      // @ts-expect-error cron and everyMs
      bus.schedules.put('a', { cron: '* * * * *', everyMs: 1_000, queue: 'q' }),
      // @ts-expect-error queue and topic
      bus.schedules.put('a', { everyMs: 1_000, queue: 'q', topic: 't' }),
      // @ts-expect-error a message to an agent needs a type
      bus.schedules.put('a', { everyMs: 1_000, to: '@a' }),
      // @ts-expect-error no time
      bus.schedules.put('a', { queue: 'q' }),
      // @ts-expect-error runAt and delayMs
      bus.enqueue('q', 1, { runAt: new Date(), delayMs: 1 }),
      // @ts-expect-error dedupeUntilDone goes with dedupeKey
      bus.enqueue('q', 1, { replaceKey: 'a', dedupeUntilDone: true }),
      // @ts-expect-error dedupeUntilDone needs a dedupeKey
      bus.enqueue('q', 1, { dedupeUntilDone: true }),
      // @ts-expect-error a live subscription handles one event at a time
      bus.subscribe('t', () => undefined, { concurrency: 4 }),
      // @ts-expect-error ttlMs is for durable requests
      bus.request('@a', 'ask', 1, { ttlMs: 1_000 }),
    ];
    // @ts-expect-error dead letters have one source
    expect(() => bus.deadLetters({ agent: '@a', subscription: 's' })).toThrow('one source');
    for (const one of refused) await expect(one).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await bus.schedules.put('a', { everyMs: 1_000, to: '@a', type: 'note' });
    await bus.enqueue('q', 1, { runAt: new Date(), delayMs: undefined });
    const isLive = bus.transport.name === '';
    await bus.subscribe('t', () => undefined, isLive ? {} : { durableName: 's', concurrency: 4 });
    await bus.request('@a', 'ask', 1, { durable: isLive, timeoutMs: 1 }).catch(() => undefined);
  });

  it('are interfaces, so plain objects can fake them', () => {
    const context: Pick<Context, 'signal' | 'publish'> = {
      signal: AbortSignal.abort(),
      publish: async () => ({ id: '1', position: undefined, status: 'stored' as const }),
    };
    const lock: Lock = {
      name: 'x',
      token: 1,
      signal: AbortSignal.abort(),
      lost: false,
      extend: async () => undefined,
      release: async () => undefined,
      [Symbol.asyncDispose]: async () => undefined,
    };
    const fakes: [Partial<Bus>, Partial<Agent>] = [{ drain: async () => true }, { load: 0, name: '@a' }];
    expect([context, lock, fakes]).toHaveLength(3);
  });

  it('are checked when they are made', () => {
    expect(() => defineRequest('', {})).toThrow('type is illegal');
    expect(() => defineRequest('x', { request: 5 as never })).toThrow('not a Standard Schema');
    expect(() => defineRequest('x', { reqest: numberSchema } as never)).toThrow('has no "reqest"');
    expect(() => defineMessage('x', undefined as never)).toThrow('not a Standard Schema');
    expect(() => defineTopic('a..b', numberSchema)).toThrow('illegal token');
    expect(() => defineTopic('$a', numberSchema)).toThrow('starts with $');
    expect(() => defineQueue('a b')).toThrow('illegal token');
    expect(Object.isFrozen(defineQueue('a', { task: numberSchema }))).toBe(true);
  });
});

describe('types of one definition', () => {
  it('name the handler that stands alone, what a sender gives and what a handler gets', async () => {
    const count = defineQueue('count', { task: spelled, result: numberSchema, progress: stringSchema });
    const twice = defineRequest('twice', { request: spelled, response: numberSchema });
    const news = defineTopic('news', spelled);
    expectTypeOf<InputOf<typeof count>>().toEqualTypeOf<string>();
    expectTypeOf<OutputOf<typeof count>>().toEqualTypeOf<number>();
    expectTypeOf<InputOf<typeof twice>>().toEqualTypeOf<string>();
    expectTypeOf<OutputOf<typeof twice>>().toEqualTypeOf<number>();
    expectTypeOf<InputOf<typeof news>>().toEqualTypeOf<string>();
    expectTypeOf<OutputOf<typeof news>>().toEqualTypeOf<number>();

    const onCount: HandlerOf<typeof count> = async function* ({ body }) {
      yield 'half';
      return body + 1;
    };
    const onTwice: HandlerOf<typeof twice> = ({ body }) => body * 2;
    const onNews: HandlerOf<typeof news> = async ({ body }, context) => {
      expectTypeOf(body).toEqualTypeOf<number>();
      await context.enqueue(count, String(body));
    };
    // @ts-expect-error a handler returns the result of its schema
    const wrong: HandlerOf<typeof twice> = () => 'text';
    expect(wrong).toBeTypeOf('function');

    await using bus = openBus(await openMemory());
    const agent = await bus.agent('agent');
    agent.handle(twice, onTwice);
    await bus.process(count, onCount);
    await bus.subscribe(news, onNews);
    expect(await bus.request('agent', twice, '21')).toBe(42);
    expect(await (await bus.enqueue(count, '1')).result()).toBe(2);
  });
});

describe('planned messages and flows', () => {
  it('have the bodies of their definitions', async () => {
    await using bus = openBus(await openMemory(), { onError: () => undefined });
    const count = defineQueue('count', { task: spelled, result: numberSchema });
    const [news, note] = [defineTopic('news', numberSchema), defineMessage('note', stringSchema)];
    const hourly = { everyMs: 3_600_000 };
    await bus.agent('@a');
    await bus.schedules.put('a', { ...hourly, queue: count, body: '1' });
    await bus.schedules.put('b', { ...hourly, topic: news, body: 1 });
    await bus.schedules.put('c', { ...hourly, to: '@a', type: note, body: 'hello' });
    await bus.schedules.put('d', { ...hourly, queue: 'names', body: { any: true } });
    await bus.schedules.put('e', { ...hourly, to: '@a', type: 'ping' });
    const refused = Promise.allSettled([
      // @ts-expect-error a task has the input of its schema
      bus.schedules.put('f', { ...hourly, queue: count, body: { text: 1 } }),
      // @ts-expect-error an event has the input of its schema
      bus.schedules.put('g', { ...hourly, topic: news, body: 'text' }),
      // @ts-expect-error a message has the input of its schema
      bus.schedules.put('h', { ...hourly, to: '@a', type: note, body: 5 }),
      // @ts-expect-error a body that the schema needs
      bus.schedules.put('i', { ...hourly, topic: news }),
      // @ts-expect-error two timings
      bus.schedules.put('j', { ...hourly, cron: '@daily', queue: 'names' }),
    ]);
    expect((await refused).map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'rejected',
      'rejected',
      'rejected',
    ]);

    const flow = await bus.flow({
      queue: count,
      body: '3',
      children: [{ queue: 'parts' }, { queue: count, body: '4' }],
    });
    expectTypeOf(flow).toEqualTypeOf<TaskHandle<number>>();
    const many = await bus.flow<boolean>({ queue: 'all', children: [1, 2].map((body) => ({ queue: 'parts', body })) });
    expectTypeOf(many).toEqualTypeOf<TaskHandle<boolean>>();
    expectTypeOf(await bus.flow({ queue: 'all', children: [{ queue: 'parts' }] })).toEqualTypeOf<TaskHandle>();
    // @ts-expect-error a parent has the input of its schema
    await bus.flow({ queue: count, body: 3, children: [{ queue: 'parts' }] });
    // @ts-expect-error a child has the input of its schema
    await bus.flow({ queue: 'all', children: [{ queue: 'parts' }, { queue: count, body: 4 }] });
  });
});
