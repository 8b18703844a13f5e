// Codecs whose methods return promises: in every verb, in order, and with their failures.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { type Bus, type Codec, defineQueue, defineRequest, defineTopic, jsonCodec } from '@busbar/api';
import { waitFor } from '@busbar/testbed';
import { describe, expect, it } from 'vitest';
import { all, backends, Lab, requestBackends } from '../lab.ts';
import { numberSchema, schemaOf, stringSchema } from '../schemas.ts';

/** Turns the bytes of JSON round, after a turn of the event loop. */
const reversed: Codec = {
  contentType: 'application/x-reversed',
  async encode(value) {
    await new Promise(setImmediate);
    return jsonCodec.encode(value).reverse();
  },
  async decode(bytes) {
    await new Promise(setImmediate);
    return jsonCodec.decode(bytes.slice().reverse());
  },
};

/** Encodes a value in another way each time. */
function sealed(key = randomBytes(32)): Codec {
  return {
    contentType: 'application/x-sealed',
    async encode(value) {
      const iv = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', key, iv);
      const text = Buffer.concat([cipher.update(jsonCodec.encode(value)), cipher.final()]);
      return Buffer.concat([iv, cipher.getAuthTag(), text]);
    },
    async decode(bytes) {
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12)).setAuthTag(bytes.subarray(12, 28));
      return jsonCodec.decode(Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]));
    },
  };
}

/** Encodes a text when `release` names it. */
function gated(): { codec: Codec; release(value: string): void } {
  const waiting = new Map<string, () => void>();
  const codec: Codec = {
    contentType: 'application/x-gated',
    async encode(value) {
      await new Promise<void>((resolve) => waiting.set(String(value), resolve));
      return jsonCodec.encode(value);
    },
    decode: (bytes) => jsonCodec.decode(bytes),
  };
  return { codec, release: (value) => waiting.get(value)?.() };
}

/** The first `count` bodies that a handler gets. */
function collector(count: number): { add(body: unknown): void; readonly full: Promise<unknown[]> } {
  const seen: unknown[] = [];
  const full = Promise.withResolvers<unknown[]>();
  return {
    full: full.promise,
    add(body) {
      if (seen.push(body) === count) full.resolve(seen);
    },
  };
}

async function contentTypes(bus: Bus, queue: string): Promise<string[]> {
  return (await bus.queue(queue).tasks()).tasks.map(({ contentType }) => contentType);
}

describe.each(requestBackends)('an asynchronous codec, on %s', (backend) => {
  it('carries messages, requests and their parts', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus({ codec: reversed });
    const agent = await bus.agent('@a');
    const mail = collector(2);
    agent.handle('note', ({ body }) => mail.add(body));
    agent.handle('count', async function* ({ body }, context) {
      yield 1;
      void context.reply(2);
      return Number(body) + 1;
    });
    await bus.send('@a', 'note', 'sent');
    await agent.broadcast('note', 'to all', { includeSelf: true });
    expect(await mail.full).toEqual(['sent', 'to all']);
    expect(await bus.request('@a', 'count', 41)).toBe(42);
    expect(await agent.request('@a', 'count', 41, { durable: true })).toBe(42);
    const stream = bus.requestStream('@a', 'count', 2);
    expect(await all(stream)).toEqual([1, 2]);
    expect(await stream.result).toBe(3);
  });
});

describe.each(backends)('an asynchronous codec, on %s', (backend) => {
  it('carries messages that are taken by hand, and replies to them', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus({ codec: reversed });
    const agent = await bus.agent('@a');
    const response = agent.request('@a', 'ask', { a: 1 }, { durable: true });
    const [message] = await agent.receive({ waitMs: 5_000 });
    expect(message?.body).toEqual({ a: 1 });
    await message?.reply('yes');
    await message?.ack();
    expect(await response).toBe('yes');
  });

  it('carries events: live, durable and stored', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus({ codec: reversed });
    const [live, durable] = [collector(2), collector(2)];
    await bus.subscribe('news.*', ({ body }) => live.add(body));
    await bus.subscribe('news.*', ({ body }) => durable.add(body), { durableName: 'reader' });
    await bus.publish('news.a', 1);
    await bus.publish('news.b', { b: 2 });
    expect(await live.full).toEqual([1, { b: 2 }]);
    expect(await durable.full).toEqual([1, { b: 2 }]);
    expect((await all(bus.history('news.*'))).map(({ body }) => body)).toEqual([1, { b: 2 }]);
  });

  it('carries tasks, their progress, their results and those of children', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus({ codec: reversed });
    const seen = Promise.withResolvers<void>();
    await bus.process<number, number>('double', async function* ({ body }) {
      if (body === 0) {
        yield 'half';
        await seen.promise;
      }
      return body * 2;
    });
    await bus.process('sum', async (_, context) => {
      const children = await context.children<number>();
      return children.map((child) => (child.state === 'done' ? child.result : undefined));
    });
    const handles = await bus.enqueueAll<number, number>('double', [1, 2]);
    expect(await Promise.all(handles.map((handle) => handle.result()))).toEqual([2, 4]);
    const slow = await bus.enqueue<number, number>('double', 0);
    for await (const progress of slow.progress()) {
      expect(progress).toBe('half');
      seen.resolve();
    }
    expect(await slow.result()).toBe(0);
    await bus.process<number, number>('many', (tasks) => tasks.map(({ body }) => -body), { batch: { max: 2 } });
    const many = await bus.enqueueAll<number, number>('many', [1, 2]);
    expect(await Promise.all(many.map((handle) => handle.result()))).toEqual([-1, -2]);
    const flow = await bus.flow({ queue: 'sum', children: [1, 2].map((body) => ({ queue: 'double', body })) });
    expect(await flow.result()).toEqual([2, 4]);
  });

  it('carries what is taken by hand, listed, dead and planned', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus({ codec: reversed });
    const handle = await bus.enqueue('hand', { a: 1 });
    expect(await contentTypes(bus, 'hand')).toEqual([reversed.contentType]);
    expect((await bus.queue('hand').tasks()).tasks.map(({ body }) => body)).toEqual([{ a: 1 }]);
    const [task] = await bus.takeTasks('hand');
    expect(task?.body).toEqual({ a: 1 });
    await task?.progress('half');
    await task?.done(['all']);
    expect(await handle.result()).toEqual(['all']);
    await bus.enqueue('hand', 'bad');
    await (await bus.takeTasks('hand'))[0]?.reject('no');
    expect((await bus.deadLetters('hand').browse()).messages.map(({ body }) => body)).toEqual(['bad']);
    await bus.schedules.put('later', { everyMs: 3_600_000, queue: 'hand', body: { planned: true } });
    expect((await bus.schedules.get('later'))?.body).toEqual({ planned: true });
    await bus.schedules.runNow('later');
    expect((await bus.takeTasks('hand')).map(({ body }) => body)).toEqual([{ planned: true }]);
  });
});

describe('an asynchronous codec', () => {
  it('keeps the order of sends that are not awaited, also of bytes', async () => {
    await using lab = await Lab.open('memory');
    const { codec, release } = gated();
    const bus = await lab.bus({ codec });
    const sends = [bus.enqueue('q', 'a'), bus.enqueue('q', 'b'), bus.enqueue('q', new Uint8Array([1]))];
    release('b');
    await new Promise(setImmediate);
    expect(await contentTypes(bus, 'q')).toEqual([]);
    release('a');
    await Promise.all(sends);
    const { tasks } = await bus.queue('q').tasks();
    expect(tasks.map(({ body }) => body)).toEqual(['a', 'b', new Uint8Array([1])]);
  });

  it('is checked by schemas, as a receiver gets the body', async () => {
    await using lab = await Lab.open('memory');
    const bus = await lab.bus({ codec: reversed });
    const lengths = defineQueue('lengths', { task: stringSchema, result: numberSchema, progress: stringSchema });
    await bus.process(lengths, async ({ body }, context) => {
      await context.progress('half');
      return body === 'bad' ? (body as never) : body.length;
    });
    expect(await (await bus.enqueue(lengths, 'hello')).result()).toBe(5);
    await expect(bus.enqueue(lengths, 5 as never)).rejects.toThrow('expected a string');
    await expect((await bus.enqueue(lengths, 'bad')).result()).rejects.toThrow('expected a number');
    const dates = defineTopic(
      'dates',
      schemaOf<Date>('Date', (value) => value instanceof Date),
    );
    await expect(bus.publish(dates, new Date(0))).rejects.toThrow('as a receiver gets it, is not valid');
    const twice = defineRequest('twice', { request: numberSchema, response: numberSchema });
    (await bus.agent('@a')).handle(twice, ({ body }) => body * 2);
    expect(await bus.request('@a', twice, 21)).toBe(42);
  });

  it('refuses what it cannot encode, where it is sent', async () => {
    await using lab = await Lab.open('memory');
    const noBytes = { contentType: 'x/none', encode: async () => 'text', decode: () => 1 } as never;
    const bus = await lab.bus({ codec: noBytes });
    const error = { code: 'INVALID_ARGUMENT', hint: expect.stringContaining('not a Uint8Array') };
    await expect(bus.enqueue('q', 1)).rejects.toMatchObject(error);
    const other = await lab.bus({ codec: reversed });
    await expect(other.enqueue('q', new Map())).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await other.process('maps', () => new Map());
    await expect((await other.enqueue('maps', 1)).result()).rejects.toThrow('the result of the handler is invalid');
    const agent = await other.agent('@a');
    agent.handle('map', () => new Map());
    await expect(other.request('@a', 'map')).rejects.toMatchObject({ code: 'HANDLER_FAILED' });
    expect((await bus.queue('q').info())?.ready ?? 0).toBe(0);
  });

  it('leaves the bytes of what it cannot decode, and fails its handlers', async () => {
    await using lab = await Lab.open('memory');
    const [bus, stranger] = [await lab.bus({ codec: sealed() }), await lab.bus({ codec: sealed() })];
    await bus.enqueue('q', 'secret', { maxAttempts: 1 });
    expect((await bus.queue('q').tasks()).tasks[0]?.body).toBe('secret');
    expect((await stranger.queue('q').tasks()).tasks[0]?.body).toBeInstanceOf(Uint8Array);
    await stranger.process('q', () => undefined, { onInvalid: 'reject' });
    await waitFor(async () => (await stranger.deadLetters('q').count()) === 1, { what: 'the dead letter' });
    const [letter] = (await bus.deadLetters('q').browse()).messages;
    expect(letter).toMatchObject({ body: 'secret', reason: expect.stringContaining('not application/x-sealed') });
  });

  it('sends a message once for two runs of a handler, though it encodes each in another way', async () => {
    await using lab = await Lab.open('memory');
    const bus = await lab.bus({ codec: sealed() });
    await bus.process(
      'first',
      async ({ body }, context) => {
        await context.enqueue('second', { from: body });
        await context.enqueue('second', { from: body });
        if (context.attempt === 1) throw new Error('again');
      },
      { retry: () => 1 },
    );
    await (await bus.enqueue('first', 'x')).result();
    expect((await bus.queue('second').tasks()).tasks.map(({ body }) => body)).toEqual([{ from: 'x' }, { from: 'x' }]);
  });
});
