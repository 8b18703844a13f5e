// Middleware around sending and handling; codecs for values that JSON cannot encode.
import { type Codec, type Middleware, openBus } from '@busbar/api';
import { openMemory } from '@busbar/transport-memory';
import { describe, expect, it } from 'vitest';
import { backends, Lab } from '../lab.ts';

describe.each(backends)('middleware over %s', (backend) => {
  it('runs around sending and handling, and can change body and headers', async () => {
    await using lab = await Lab.open(backend);
    // A handler may begin before its sender has the result.
    const [sending, handling]: [string[], string[]] = [[], []];
    const tracing = (name: string): Middleware => ({
      name,
      send: async (outgoing, next) => {
        sending.push(`${name} send ${outgoing.target} ${outgoing.type} ${outgoing.from}`);
        outgoing.headers = { ...outgoing.headers, [name]: '1' };
        outgoing.body = `${String(outgoing.body)}${name}`;
        const result = await next();
        sending.push(`${name} sent`);
        return result;
      },
      handle: async (received, context, next) => {
        handling.push(`${name} handle ${String(received.body)} ${context.attempt}`);
        const result = await next();
        handling.push(`${name} handled ${String(result)}`);
        return result;
      },
    });
    const bus = await lab.bus({ middleware: [tracing('a')] });
    bus.use(tracing('b'));
    const agent = await bus.agent('agent');
    const headers: unknown[] = [];
    agent.handle('x', (msg) => {
      headers.push(msg.headers);
      return 'result';
    });
    expect(await agent.send('agent', 'x', 'body', { headers: { own: '2' } })).toMatchObject({ status: 'stored' });
    expect(sending).toEqual(['a send agent x agent', 'b send agent x agent', 'b sent', 'a sent']);
    await expect
      .poll(() => handling)
      .toEqual(['a handle bodyab 1', 'b handle bodyab 1', 'b handled result', 'a handled result']);
    expect(headers).toEqual([{ a: '1', b: '1', own: '2' }]);
  });

  it('sees requests and their responses, and can refuse', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus({
      middleware: [
        {
          request: async (outgoing, next) => {
            if (outgoing.type === 'forbidden') throw new Error('forbidden');
            return [await next(), outgoing.kind];
          },
        },
      ],
    });
    const agent = await bus.agent('agent');
    agent.handle('*', () => 'answer');
    expect(await bus.request('agent', 'x')).toEqual(['answer', 'request']);
    await expect(bus.request('agent', 'forbidden')).rejects.toThrow('forbidden');
    await expect(bus.request('agent', 'x', undefined, { durable: false })).resolves.toEqual(['answer', 'request']);
  });

  it('knows the message whose handler sends', async () => {
    await using lab = await Lab.open(backend);
    const causes: unknown[] = [];
    const bus = await lab.bus({
      middleware: [
        {
          publish: (outgoing, next) => {
            causes.push(outgoing.cause);
            return next();
          },
        },
      ],
    });
    await bus.publish('done.outside');
    await bus.process('jobs', (_, { publish }) => publish('done.inside').then(() => undefined));
    const { id } = await bus.enqueue('jobs', 1);
    await expect.poll(() => causes.length).toBe(2);
    expect(causes).toEqual([undefined, { id, attempt: 1, source: { kind: 'task', queue: 'jobs' } }]);
  });

  it('runs around receives by hand, and knows the source of each message', async () => {
    await using lab = await Lab.open(backend);
    const sources: unknown[] = [];
    const bus = await lab.bus({
      middleware: [
        {
          receive: async (source, next) => {
            const messages = await next();
            sources.push([source, messages.map(({ body }) => body)]);
            return messages;
          },
          handle: async ({ id }, { source }, next) => {
            sources.push([source, id]);
            return next();
          },
        },
      ],
    });
    const agent = await bus.agent('agent');
    await bus.send('agent', 'x', 1);
    const [message] = await agent.receive();
    await message?.ack();
    await bus.enqueue('jobs', 2);
    const [task] = await bus.takeTasks('jobs');
    await task?.done();
    agent.handle('x', () => undefined);
    await bus.subscribe('live.*', () => undefined);
    await bus.subscribe('kept.*', () => undefined, { durableName: 'kept' });
    await bus.process('work', () => undefined);
    await bus.request('agent', 'x', undefined, { id: 'request' });
    const sent = [await bus.publish('live.a'), await bus.publish('kept.a'), await bus.send('agent', 'x')];
    sent.push((await bus.enqueue('work')) as never);
    await expect.poll(() => sources.length, { timeout: 10_000 }).toBe(7);
    const [live, kept, mail, work] = sent.map(({ id }) => id);
    expect(sources).toEqual(
      expect.arrayContaining([
        [{ kind: 'message', agent: 'agent' }, [1]],
        [{ kind: 'task', queue: 'jobs' }, [2]],
        [{ kind: 'event', subscription: 'live.*', isLive: true }, live],
        [{ kind: 'event', subscription: 'kept' }, kept],
        [{ kind: 'message', agent: 'agent' }, mail],
        [{ kind: 'task', queue: 'work' }, work],
        [{ kind: 'request', agent: 'agent' }, expect.any(String)],
      ]),
    );
  });

  it('calls next at most once, and its steps are checked', async () => {
    await using lab = await Lab.open(backend);
    const twice: Middleware = {
      send: async (_, next) => {
        await next();
        return next();
      },
    };
    const bus = await lab.bus({ middleware: [twice] });
    await bus.agent('agent');
    await expect(bus.send('agent', 'x')).rejects.toThrow('twice');
    expect(() => bus.use({ sent: 1 } as never)).toThrow('has no "sent"');
    expect(() => bus.use({ send: 1 } as never)).toThrow('must be a function');
  });

  it('encodes with the codec of the bus, and decodes with every codec', async () => {
    await using lab = await Lab.open(backend);
    const reversed: Codec = {
      contentType: 'text/reversed',
      encode: (value) => new TextEncoder().encode([...String(value)].reverse().join('')),
      decode: (bytes) => [...new TextDecoder().decode(bytes)].reverse().join(''),
    };
    const [one, two] = [await lab.bus({ codec: reversed }), await lab.bus({ codecs: [reversed] })];
    const agent = await two.agent('agent');
    await one.send('agent', 'x', 'abc');
    await two.send('agent', 'x', { json: true });
    await two.send('agent', 'x', new Uint8Array([1, 2, 255]));
    await two.send('agent', 'x');
    await two.transport.queues.send('$inbox.agent', [
      { body: new TextEncoder().encode('plain'), contentType: 'text/plain; charset=utf-8' },
      { body: new Uint8Array([7]), contentType: 'image/png' },
      { body: new TextEncoder().encode('{"a":1}'), contentType: 'application/problem+json' },
    ]);
    const got = await agent.receive({ max: 10 });
    expect(got.map(({ body }) => body)).toEqual([
      'abc',
      { json: true },
      new Uint8Array([1, 2, 255]),
      undefined,
      'plain',
      new Uint8Array([7]),
      { a: 1 },
    ]);
    expect(got[0]!.contentType).toBe('text/reversed');
  });
});

describe('openBus', () => {
  it('refuses bad options', async () => {
    await using transport = await openMemory();
    const bad: object[] = [
      { codecs: 5 },
      { codec: {} },
      { onError: 1 },
      { logger: {} },
      { logger: 1 },
      { logger: { warn: () => undefined, debug: 1 } },
      { presenceTtlMs: 1 },
      { presenceTTL: 1000 },
      { identity: { name: 'x' } },
      { middleware: {} },
      { ownsTransport: 1 },
    ];
    for (const options of bad) expect(() => openBus(transport, options), JSON.stringify(options)).toThrow();
    expect(() => openBus({} as never)).toThrow('needs a transport');
  });

  it('does not close a transport that it does not own', async () => {
    await using transport = await openMemory();
    const bus = openBus(transport, { ownsTransport: false });
    await (await bus.agent('agent')).close();
    await bus.close();
    await bus.close();
    expect(transport.state).toBe('open');
    await expect(bus.send('agent', 'x')).rejects.toMatchObject({ code: 'CLOSED' });
    const other = openBus(transport);
    await other.send('agent', 'x');
    await other.close();
    expect(transport.state).toBe('closed');
  });
});
