// Agents: inboxes, messages and presence.
import {
  type Agent,
  type AgentInfo,
  BusbarError,
  defineMessage,
  openBus,
  type PresenceChange,
  RejectError,
} from '@busbar/api';
import { describe, expect, it } from 'vitest';
import { backends, Lab } from '../lab.ts';
import { objectSchema, stringSchema } from '../schemas.ts';

const quick = { baseMs: 5, jitter: 'none' } as const;

describe.each(backends)('agents over %s', (backend) => {
  it('keeps messages for an offline agent, also over restarts of both sides', async () => {
    await using lab = await Lab.open(backend);
    const first = await lab.bus();
    const agent = await first.agent('@service.auth');
    await agent.close();
    const sender = await first.agent('@backend.nodejs');
    const sent = await sender.send('@service.auth', 'note', { text: 'one' }, { headers: { a: 'b' }, priority: 5 });
    expect(sent).toMatchObject({ to: '@service.auth', status: 'stored' });
    await sender.send('@service.auth', 'note', { text: 'two' });
    await first.close();
    const second = await lab.bus();
    const back = await second.agent('@service.auth', { maxConcurrent: 1 });
    const seen: unknown[] = [];
    back.handle('note', (msg) => {
      const { id: _, sentAt: __, ...rest } = msg;
      seen.push(rest);
    });
    await expect.poll(() => seen.length).toBe(2);
    expect(seen[0]).toEqual({
      type: 'note',
      from: '@backend.nodejs',
      to: '@service.auth',
      topic: undefined,
      body: { text: 'one' },
      contentType: 'application/json',
      headers: { a: 'b' },
      priority: 5,
      orderingKey: undefined,
      correlationId: undefined,
      causationId: undefined,
      hops: 0,
      attempt: 1,
      position: undefined,
    });
    expect(seen[1]).toMatchObject({ body: { text: 'two' } });
  });

  it('rejects a message to a misspelled agent; createInbox stores it (P7)', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus();
    const agent = await bus.agent('@service.auth');
    const error = await agent.send('@service.auht', 'note').catch((thrown: BusbarError) => thrown);
    expect(error).toMatchObject({ code: 'NOT_FOUND', hint: 'Did you mean @service.auth?', operation: 'send' });
    expect((error as BusbarError).transport).toBe(bus.transport.name);
    await agent.send('@to.come', 'note', 1, { createInbox: true });
    const late = await bus.agent('@to.come');
    expect((await late.receive()).map(({ body }) => body)).toEqual([1]);
    expect(await bus.transport.admin.queues({ names: ['$inbox.@service.auht'] })).toEqual([]);
  });

  it('retries with backoff, then makes a dead letter with the reasons', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus();
    const agent = await bus.agent('agent', { retry: quick, maxAttempts: 3 });
    const attempts: number[] = [];
    agent.handle('fails', (msg, ctx) => {
      attempts.push(msg.attempt, ctx.attempt);
      throw new Error(`no ${msg.attempt}`);
    });
    agent.handle('rejects', () => {
      throw new RejectError('never');
    });
    const { id } = await bus.send('agent', 'fails', 1);
    await bus.send('agent', 'rejects', 2);
    await bus.send('agent', 'unknown', 3);
    await bus.send('agent', 'once', 3, { maxAttempts: 1 });
    const dead = async () => (await bus.transport.admin.browse('$inbox.agent', { state: 'dead' })).messages;
    await expect.poll(async () => (await dead()).length, { timeout: 10_000 }).toBe(4);
    expect(attempts).toEqual([1, 1, 2, 2, 3, 3]);
    const reasons = Object.fromEntries((await dead()).map(({ message, dead }) => [message.type, dead?.reason]));
    expect(reasons['fails']).toContain('no 3');
    expect(reasons['rejects']).toContain('never');
    expect(reasons['unknown']).toContain('no handler for type "unknown"');
    const failed = (await dead()).find(({ message }) => message.id === id);
    expect(failed?.history.map(({ reason }) => reason)).toEqual(['Error: no 1', 'Error: no 2', 'Error: no 3']);
    expect(lab.errors.every(({ code }) => code === 'HANDLER_FAILED')).toBe(true);
    expect(lab.errors.filter(({ retryable }) => !retryable)).toHaveLength(4);
  });

  it('stores a message of a handler once, even if the handler runs several times', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus();
    const sink = await bus.agent('sink');
    const agent = await bus.agent('agent', { retry: quick });
    let runs = 0;
    agent.handle('go', async (msg, ctx) => {
      runs += 1;
      await ctx.send('sink', 'out', `a ${msg.body}`);
      await ctx.send('sink', 'out', `b ${msg.body}`);
      if (runs < 3) throw new Error('again');
    });
    const { id } = await bus.send('agent', 'go', 1);
    await expect.poll(() => runs, { timeout: 5000 }).toBe(3);
    const got = await sink.receive({ max: 10, waitMs: 1000 });
    expect(got.map(({ body }) => body)).toEqual(['a 1', 'b 1']);
    expect(got.map(({ causationId, hops, from }) => [causationId, hops, from])).toEqual([
      [id, 1, 'agent'],
      [id, 1, 'agent'],
    ]);
    expect(await sink.receive({ max: 10 })).toEqual([]);
  });

  it('stops a loop between agents', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus();
    let handled = 0;
    for (const [name, other] of [
      ['ping', 'pong'],
      ['pong', 'ping'],
    ] as const) {
      const agent = await bus.agent(name, { maxAttempts: 1 });
      agent.handle('ball', async (_, ctx) => {
        handled += 1;
        await ctx.send(other, 'ball');
      });
    }
    await bus.send('ping', 'ball');
    await expect.poll(() => lab.errors.length, { timeout: 10_000 }).toBe(1);
    expect(handled).toBe(33);
    expect(lab.errors[0]!.cause).toMatchObject({ code: 'CONFLICT' });
  });

  it('makes an invalid message a dead letter with its issues', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus();
    const note = defineMessage('note', objectSchema({ text: stringSchema }));
    const agent = await bus.agent('agent', { retry: quick });
    const seen: string[] = [];
    agent.handle(note, (msg) => void seen.push(msg.body.text));
    await bus.send('agent', note, { text: 'fine' });
    await expect(bus.send('agent', note, { text: 5 } as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await bus.send('agent', 'note', { text: 5 });
    await bus.transport.queues.send('$inbox.agent', [
      { type: 'note', body: new Uint8Array([0xff]), contentType: 'application/json' },
    ]);
    const dead = async () => (await bus.transport.admin.browse('$inbox.agent', { state: 'dead' })).messages;
    await expect.poll(async () => (await dead()).length).toBe(2);
    const reasons = (await dead()).map((one) => one.dead?.reason).sort();
    expect(reasons[0]).toContain('the body is not application/json');
    expect(reasons[1]).toContain('text: expected a string');
    expect(seen).toEqual(['fine']);
  });

  it('keeps its limit of handlers, and shares messages between instances', async () => {
    await using lab = await Lab.open(backend);
    const buses = [await lab.bus(), await lab.bus()];
    const handled = new Map<number, number>();
    const most = [0, 0];
    for (const [index, bus] of buses.entries()) {
      const agent = await bus.agent('worker', { maxConcurrent: 3 });
      agent.handle<number>('job', async (msg) => {
        most[index] = Math.max(most[index]!, agent.load);
        handled.set(msg.body, (handled.get(msg.body) ?? 0) + 1);
        await new Promise(setImmediate);
      });
    }
    await Promise.all(Array.from({ length: 200 }, (_, n) => buses[0]!.send('worker', 'job', n)));
    await expect.poll(() => handled.size, { timeout: 10_000 }).toBe(200);
    expect([...handled.values()].every((count) => count === 1)).toBe(true);
    expect(most).toEqual([3, 3]);
  });

  it('receives messages without a handler', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus();
    const agent = await bus.agent('shell');
    for (let n = 0; n < 5; n += 1) await bus.send('shell', 'note', n);
    const [a, b, c, d] = await agent.receive<number>({ max: 4 });
    await a!.ack();
    await b!.retry({ delayMs: 0, reason: 'later' });
    await c!.reject('bad');
    await d!.extend();
    await d!.release();
    await expect(a!.ack()).rejects.toMatchObject({ code: 'LEASE_LOST' });
    await expect(a!.reply(1)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    const rest = await agent.receive<number>({ max: 10 });
    expect(rest.map(({ body, attempt }) => [body, attempt]).sort()).toEqual([
      [1, 2],
      [3, 1],
      [4, 1],
    ]);
    expect(rest[0]!.wantsReply).toBe(false);
  });

  it('broadcasts to every agent but itself, under one id', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus();
    const agents: Agent[] = [];
    for (const name of ['a', 'b', 'c']) {
      agents.push(await bus.agent(name, { capabilities: name === 'b' ? ['build'] : [] }));
    }
    const { to, id } = await agents[0]!.broadcast('note', 'all');
    expect(to).toEqual(['b', 'c']);
    expect((await agents[0]!.broadcast('note', 'able', { capability: 'build' })).to).toEqual(['b']);
    const got = await agents[1]!.receive({ max: 5 });
    expect(got.map(({ body }) => body)).toEqual(['all', 'able']);
    expect(got[0]!.id).toBe(id);
    expect(await agents[0]!.receive()).toEqual([]);
  });

  it('sends by capability to the least loaded', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus();
    await bus.agent('busy', { capabilities: ['build'], maxConcurrent: 1 });
    await bus.agent('idle', { capabilities: ['build'], maxConcurrent: 1 });
    for (let n = 0; n < 4; n += 1) await bus.send('busy', 'x', n);
    const to = [];
    for (let n = 0; n < 6; n += 1) to.push((await bus.send({ capability: 'build' }, 'x', n)).to);
    expect(to.slice(0, 4)).toEqual(['idle', 'idle', 'idle', 'idle']);
    expect(new Set(to.slice(4))).toEqual(new Set(['busy', 'idle']));
    await expect(bus.send({ capability: 'fly' }, 'x')).rejects.toMatchObject({ code: 'NO_RESPONDER' });
  });

  it('lists agents, and forgets one (Z1, Z2, Z7)', async () => {
    await using lab = await Lab.open(backend);
    const [one, two] = [await lab.bus({ identity: { pid: 7, host: 'h' } }), await lab.bus()];
    const agent = await one.agent('@service.auth', {
      capabilities: ['auth', 'audit'],
      maxConcurrent: 5,
      note: 'tokens',
    });
    const [info] = await two.agents({ capability: 'auth' });
    expect(info).toMatchObject({
      name: '@service.auth',
      online: true,
      capabilities: ['audit', 'auth'],
      load: 0,
      limit: 5,
      note: 'tokens',
      instances: [{ instance: agent.instance, pid: 7, host: 'h', limit: 5 }],
    });
    await expect(two.forgetAgent('@service.auth')).rejects.toMatchObject({ code: 'CONFLICT' });
    await agent.close();
    const [offline] = await two.agents({ online: false });
    expect(offline).toMatchObject({ online: false, capabilities: ['audit', 'auth'], registeredAt: info!.registeredAt });
    const again = await one.agent('@service.auth');
    expect((await two.agents())[0]!.registeredAt).toBe(info!.registeredAt);
    await again.close();
    expect(await two.forgetAgent('@service.auth')).toBe(true);
    expect(await two.forgetAgent('@service.auth')).toBe(false);
    expect(await two.agents()).toEqual([]);
    await expect(two.send('@service.auth', 'x')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('reports each agent that goes online, changes or goes offline, once (Z4)', async () => {
    await using lab = await Lab.open(backend);
    const [one, two] = [await lab.bus(), await lab.bus()];
    const early = await one.agent('early');
    const changes: PresenceChange[] = [];
    const watch = await two.watchAgents((change) => void changes.push(change));
    const kinds = (): string[] => changes.map(({ kind, agent }) => `${agent.name} ${kind}`);
    expect(kinds()).toEqual(['early online']);
    const first = await one.agent('late');
    await expect.poll(kinds).toEqual(['early online', 'late online']);
    const second = await two.agent('late', { capabilities: ['more'] });
    await expect.poll(() => changes.length).toBe(3);
    expect(changes[2]).toMatchObject({ kind: 'changed', agent: { capabilities: ['more'] } });
    await first.close();
    await second.close();
    await early.close();
    await expect.poll(() => kinds().slice(3)).toEqual(['late changed', 'late offline', 'early offline']);
    await watch.close();
    await one.agent('unseen');
    expect(changes).toHaveLength(6);
  });

  it('is online while it sends heartbeats, and reports an eviction (Z6, Z8)', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus();
    const evictions: string[] = [];
    const agent = await bus.agent('agent', { presenceTtlMs: 800, onEvicted: () => void evictions.push(agent.state) });
    const online = async (): Promise<AgentInfo[]> => bus.agents({ online: true });
    const key = `$live/agent/${agent.instance}`;
    let [leftMs, renewals] = [0, 0];
    const renewed = async (): Promise<number> => {
      expect(await online()).toHaveLength(1);
      const { ttlLeftMs = 0 } = (await bus.transport.kv.get(key)) ?? {};
      if (ttlLeftMs > leftMs) renewals += 1;
      leftMs = ttlLeftMs;
      return renewals;
    };
    await expect.poll(renewed, { interval: 10, timeout: 5_000 }).toBeGreaterThan(4);
    await bus.transport.kv.delete(key);
    await expect.poll(() => evictions).toEqual(['evicted']);
    expect(await online()).toHaveLength(1);
    expect(agent.state).toBe('online');
    expect(lab.errors.map(({ code }) => code)).toEqual(['LEASE_LOST']);
  });

  it('registers again when it is forgotten while it is online', async () => {
    await using lab = await Lab.open(backend);
    const [bus, operator] = [await lab.bus(), await lab.bus()];
    const evictions: string[] = [];
    const agent = await bus.agent('@forgotten', { presenceTtlMs: 200, onEvicted: () => void evictions.push('now') });
    const sending = await bus.agent('@sending', { register: false });
    await expect(operator.forgetAgent('@forgotten')).rejects.toMatchObject({ code: 'CONFLICT' });
    expect(await operator.forgetAgent('@forgotten', { force: true })).toBe(true);
    await expect
      .poll(async () => (await operator.agents()).find(({ name }) => name === '@forgotten')?.registeredAt)
      .toBeDefined();
    await expect.poll(() => sending.send('@forgotten', 'note', 1).then(({ status }) => status)).toBe('stored');
    expect((await agent.receive({ waitMs: 1000 })).map(({ body }) => body)).toEqual([1]);
    expect(evictions).toEqual(['now']);
    await agent.close();
    expect(await operator.forgetAgent('@forgotten')).toBe(true);
    await expect(sending.send('@forgotten', 'note', 2)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('shows its load and the durations of its handlers', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus();
    const agent = await bus.agent('agent', { presenceTtlMs: 150 });
    const gate = Promise.withResolvers<void>();
    agent.handle('wait', () => gate.promise);
    agent.handle('quick', () => 1);
    await bus.request('agent', 'quick');
    await bus.send('agent', 'wait');
    await expect.poll(async () => (await bus.agents())[0]!.load).toBe(1);
    gate.resolve();
    await expect
      .poll(async () => (await bus.agents())[0]!.instances[0]?.requests)
      .toMatchObject({
        quick: { count: 1 },
        wait: { count: 1 },
      });
  });

  it('keeps the last hundred lines of its log', async () => {
    await using lab = await Lab.open(backend);
    const [one, two] = [await lab.bus(), await lab.bus()];
    const agent = await one.agent('agent');
    agent.handle('say', (msg, ctx) => ctx.log(`heard ${msg.body}`, 'warn'));
    for (let n = 0; n < 120; n += 1) agent.log(`line ${n}`);
    await one.send('agent', 'say', 'this');
    await expect.poll(async () => (await two.agentLogs('agent')).length, { timeout: 5000 }).toBe(100);
    await expect
      .poll(async () => (await two.agentLogs('agent')).at(-1))
      .toMatchObject({ level: 'warn', text: 'heard this' });
    agent.log('last');
    await agent.close();
    expect((await two.agentLogs('agent')).at(-1)).toMatchObject({ level: 'info', text: 'last' });
    expect(await two.agentLogs('age')).toEqual([]);
  });

  it('can only send with register: false', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus();
    const target = await bus.agent('target');
    const name = await bus.agent('only.a.name', { register: false });
    await name.send('target', 'x', 1);
    expect((await target.receive())[0]!.from).toBe('only.a.name');
    expect(await bus.agents()).toHaveLength(1);
    expect(() => name.handle('x', () => 1)).toThrow('can only send');
    await expect(bus.send('only.a.name', 'x')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('releases its messages at once when it closes', async () => {
    await using lab = await Lab.open(backend);
    const [one, two] = [await lab.bus(), await lab.bus()];
    const stuck = await one.agent('agent');
    const reasons: unknown[] = [];
    stuck.handle('x', (_, ctx) => {
      ctx.signal.addEventListener('abort', () => reasons.push(ctx.signal.reason));
      return new Promise(() => undefined);
    });
    await one.send('agent', 'x', 1);
    await expect.poll(() => stuck.load).toBe(1);
    await stuck.close({ drainMs: 20 });
    expect(reasons).toMatchObject([{ code: 'CLOSED' }]);
    const next = await two.agent('agent');
    expect(await next.receive({ waitMs: 1000 })).toMatchObject([{ body: 1, attempt: 1 }]);
    await stuck.close();
    expect(() => stuck.handle('y', () => 1)).toThrow('closed');
    expect(lab.errors).toEqual([]);
  });

  it('refuses bad arguments', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus();
    const bad: [string, object?][] = [
      ['$agent'],
      [''],
      ['a b'],
      ['a'.repeat(241)],
      ['a', { maxConcurrent: 0 }],
      ['a', { capabilities: 'x' }],
      ['a', { capabilities: [''] }],
      ['a', { ttl: 5 }],
      ['a', { ttlMs: 5 }],
      ['a', { leaseMs: 5 }],
      ['a', { retry: { factor: 0 } }],
      ['a', { note: '' }],
      ['a', { onEvicted: 1 }],
    ];
    for (const [name, options] of bad) {
      await expect(bus.agent(name, options), JSON.stringify([name, options])).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
      });
    }
    const agent = await bus.agent('agent');
    agent.handle('x', () => 1);
    expect(() => agent.handle('x', () => 1)).toThrow('handler already');
    expect(() => agent.handle('', () => 1)).toThrow('type is illegal');
    expect(() => agent.handle('y', 5 as never)).toThrow('must be a function');
    for (const options of [
      { createInbox: 1 },
      { delay: 5 },
      { priority: 10 },
      { headers: { 'bus-x': '1' } },
      { ttlMs: 0 },
    ]) {
      await expect(bus.send('agent', 'x', 1, options as object)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
  });
});

describe('closing a bus', () => {
  it('ends what was still opening, also over a transport that it does not own', async () => {
    await using lab = await Lab.open('memory');
    const { transport } = await lab.bus();
    for (const options of [{}, { presence: false }]) {
      const bus = openBus(transport, { ownsTransport: false });
      const opening = [
        bus.agent('@late', options),
        bus.process('late', () => 1),
        bus.subscribe('late.>', () => undefined, { durableName: 'late' }),
        bus.watchAgents(() => undefined),
      ];
      const [closed, ...opened] = await Promise.allSettled([bus.close(), ...opening]);
      expect(closed.status).toBe('fulfilled');
      for (const one of opened) expect(one).toMatchObject({ status: 'rejected', reason: { code: 'CLOSED' } });
      expect(await transport.kv.list('$live/')).toEqual([]);
      const asked = transport.calls?.call('$call.@late', { body: new Uint8Array(), contentType: 'a/b' });
      await expect(asked?.[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'NO_RESPONDER' });
    }
  });

  it('lets finishing handlers send messages and requests', async () => {
    await using lab = await Lab.open('memory');
    const [one, two] = [await lab.bus(), await lab.bus()];
    const other = await two.agent('other');
    other.handle('ask', () => 'answer').handle('note', () => undefined);
    const agent = await one.agent('agent');
    const gate = Promise.withResolvers<void>();
    const answers: unknown[] = [];
    agent.handle('x', async (_, ctx) => {
      await gate.promise;
      answers.push(await ctx.request('other', 'ask'), await agent.send('other', 'note'));
    });
    await one.send('agent', 'x');
    await expect.poll(() => agent.load).toBe(1);
    const closed = one.close();
    await expect(one.agent('late')).rejects.toMatchObject({ code: 'CLOSED' });
    gate.resolve();
    await closed;
    expect(answers).toMatchObject(['answer', { status: 'stored' }]);
    expect(lab.errors).toEqual([]);
    await expect(one.send('other', 'x')).rejects.toMatchObject({ code: 'CLOSED' });
  });

  it('ends in time even if handlers never end', async () => {
    await using lab = await Lab.open('memory');
    const bus = await lab.bus();
    const agent = await bus.agent('agent');
    agent.handle('x', () => new Promise(() => undefined));
    await bus.send('agent', 'x');
    void bus.request('agent', 'x').catch(() => undefined);
    await expect.poll(() => agent.load).toBe(2);
    expect(await bus.drain({ timeoutMs: 10 })).toBe(false);
    const startedAt = performance.now();
    await bus.close({ drainMs: 50 });
    expect(performance.now() - startedAt).toBeLessThan(4000);
  });
});

it('reads its inbox as soon as the server answers, also if it was away when the first handler came', async () => {
  await using lab = await Lab.open('memory');
  const [bus, other] = [await lab.bus(), await lab.bus()];
  const { queues } = bus.transport;
  const receive = queues.receive.bind(queues);
  let isAway = true;
  Object.defineProperty(queues, 'receive', {
    value: (...args: Parameters<typeof receive>) =>
      isAway ? Promise.reject(new BusbarError('UNAVAILABLE', 'the server is away')) : receive(...args),
  });
  const agent = await bus.agent('@worker');
  const seen: unknown[] = [];
  agent.handle('note', ({ body }) => void seen.push(body));
  await other.send('@worker', 'note', 'one');
  await expect.poll(() => lab.errors.filter(({ code }) => code === 'UNAVAILABLE').length).toBeGreaterThan(1);
  isAway = false;
  await expect.poll(() => seen).toEqual(['one']);
});
