// Durable requests: they wait in the inbox, and survive restarts of both sides.
import type { BusbarError } from '@busbar/api';
import { describe, expect, it } from 'vitest';
import { backends, Lab } from '../lab.ts';

const quick = { baseMs: 5, jitter: 'none' } as const;

describe.each(backends)('durable requests over %s', (backend) => {
  it('wait for an offline agent and get a response after its restart', async () => {
    await using lab = await Lab.open(backend);
    const [one, two] = [await lab.bus(), await lab.bus()];
    await (await one.agent('@service.auth')).close();
    const requester = await two.agent('@backend.nodejs');
    const asked = requester.request('@service.auth', 'validate', { token: 't' }, { durable: true });
    await expect
      .poll(async () => (await one.transport.admin.queues({ names: ['$inbox.@service.auth'] }))[0]?.ready)
      .toBe(1);
    const auth = await one.agent('@service.auth');
    auth.handle<{ token: string }>('validate', (msg) => ({ valid: true, token: msg.body.token, from: msg.from }));
    expect(await asked).toEqual({ valid: true, token: 't', from: '@backend.nodejs' });
    const left = async () => (await one.transport.admin.queues({ prefix: '$reply.' })).map(({ name }) => name);
    await expect.poll(left).toEqual([]);
    expect(lab.errors).toEqual([]);
  });

  it('are resumed by a restarted requester, before and after the response', async () => {
    await using lab = await Lab.open(backend);
    const one = await lab.bus();
    const agent = await one.agent('agent');
    let runs = 0;
    const gate = Promise.withResolvers<void>();
    agent.handle('x', async (msg) => {
      runs += 1;
      await gate.promise;
      return `answer ${msg.body}`;
    });
    const options = { durable: true, id: 'question-1', timeoutMs: 30_000 };
    const first = await lab.bus();
    const lost = (await first.agent('requester'))
      .request('agent', 'x', 1, options)
      .catch((error: BusbarError) => error);
    await expect.poll(() => runs).toBe(1);
    await first.close();
    expect(await lost).toMatchObject({ code: 'CLOSED' });
    const second = await lab.bus();
    const given = (await second.agent('requester')).request('agent', 'x', 1, { ...options, timeoutMs: 50 });
    await expect(given).rejects.toMatchObject({ code: 'TIMEOUT' });
    gate.resolve();
    const waiting = async () => (await one.transport.admin.queues({ prefix: '$reply.' })).map(({ ready }) => ready);
    await expect.poll(waiting).toEqual([1]);
    const third = await lab.bus();
    expect(await (await third.agent('requester')).request('agent', 'x', 1, options)).toBe('answer 1');
    expect(runs).toBe(1);
  });

  it('never give the response for one instance to another', async () => {
    await using lab = await Lab.open(backend);
    const buses = [await lab.bus(), await lab.bus(), await lab.bus()];
    const agent = await buses[0]!.agent('agent');
    agent.handle('echo', async (msg) => msg.body);
    const requesters = await Promise.all(buses.map((bus) => bus.agent('requester')));
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, n) => requesters[n % 3]!.request('agent', 'echo', n, { durable: true })),
    );
    expect(answers).toEqual(Array.from({ length: 30 }, (_, n) => n));
  });

  it('are retried like messages, and the last failure reaches the requester', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus();
    const agent = await bus.agent('agent', { retry: quick, maxAttempts: 3 });
    let runs = 0;
    agent.handle('third', () => {
      runs += 1;
      if (runs < 3) throw new Error('not yet');
      return 'at last';
    });
    agent.handle('never', () => {
      throw new TypeError('wrong');
    });
    const requester = await bus.agent('requester');
    expect(await requester.request('agent', 'third', 1, { durable: true })).toBe('at last');
    const failed = await requester
      .request('agent', 'never', 1, { durable: true, id: 'n' })
      .catch((error: BusbarError) => error);
    expect(failed).toMatchObject({ code: 'HANDLER_FAILED', cause: { name: 'TypeError', message: 'wrong' } });
    const again = () => requester.request('agent', 'never', 1, { durable: true, id: 'n' });
    await expect(again()).rejects.toMatchObject({ code: 'HANDLER_FAILED', cause: { name: 'TypeError' } });
    for (const { name } of await bus.transport.admin.queues({ prefix: '$reply.' })) {
      await bus.transport.admin.deleteQueue(name);
    }
    await expect(again()).rejects.toThrow('the request is a dead letter');
    const unknown = requester.request('agent', 'unknown', 1, { durable: true });
    await expect(unknown).rejects.toMatchObject({ code: 'NO_RESPONDER' });
  });

  it('stream, each part once, also when the handler runs again', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus();
    const agent = await bus.agent('agent', { retry: quick });
    let runs = 0;
    agent.handle('count', async function* (msg, ctx) {
      runs += 1;
      for (let n = 0; n < 5; n += 1) yield n;
      await ctx.progress(msg.attempt > 1);
      if (runs === 1) throw new Error('once more');
      return 'done';
    });
    const requester = await bus.agent('requester');
    const stream = requester.requestStream('agent', 'count', 1, { durable: true });
    const parts: unknown[] = [];
    for await (const part of stream) parts.push(part);
    expect(parts).toEqual([0, 1, 2, 3, 4, false]);
    expect(await stream.result).toBe('done');
  });

  it('can get a response without a handler', async () => {
    await using lab = await Lab.open(backend);
    const [one, two] = [await lab.bus(), await lab.bus()];
    const shell = await one.agent('shell');
    const requester = await two.agent('requester');
    const stream = requester.requestStream('shell', 'ask', 'what?', { durable: true });
    const [message] = await shell.receive({ waitMs: 5000 });
    expect(message).toMatchObject({ type: 'ask', body: 'what?', wantsReply: true });
    await message!.reply('thinking', { final: false });
    await message!.reply('that');
    await message!.ack();
    const parts: unknown[] = [];
    for await (const part of stream) parts.push(part);
    expect([parts, await stream.result]).toEqual([['thinking'], 'that']);
  });

  it('are sent once by a handler, even if it runs several times', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus();
    const counter = await bus.agent('counter');
    let counted = 0;
    counter.handle('count', () => {
      counted += 1;
      return counted;
    });
    const agent = await bus.agent('agent', { retry: quick });
    const got: unknown[] = [];
    agent.handle('go', async (_, ctx) => {
      got.push(await ctx.request('counter', 'count', 1, { durable: true }));
      if (got.length < 2) throw new Error('again');
    });
    await bus.send('agent', 'go');
    await expect.poll(() => got.length, { timeout: 5000 }).toBe(2);
    expect(got).toEqual([1, 1]);
  });

  it('are sent again with their id after they expired unread, also repeatedly', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus();
    await (await bus.agent('agent')).close();
    const requester = await bus.agent('requester');
    const ask = (timeoutMs: number) => requester.request('agent', 'x', 1, { durable: true, id: 'q', timeoutMs });
    for (let n = 0; n < 3; n += 1) await expect(ask(40)).rejects.toMatchObject({ code: 'TIMEOUT' });
    const agent = await bus.agent('agent');
    let runs = 0;
    const answer = Promise.all([ask(10_000), ask(10_000)]);
    agent.handle('x', () => {
      runs += 1;
      return runs;
    });
    expect(await answer).toEqual([1, 1]);
    expect(await ask(10_000)).toBe(1);
  });

  it('of two requesters can have one id', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus();
    const agent = await bus.agent('agent');
    const [one, two] = [await bus.agent('one'), await bus.agent('two')];
    const options = { durable: true, id: 'same' };
    const asked = [one.request('agent', 'who', 1, options), two.request('agent', 'who', 1, options)];
    agent.handle('who', (msg) => msg.from);
    expect(await Promise.all(asked)).toEqual(['one', 'two']);
    expect(await one.request('agent', 'who', 1, options)).toBe('one');
  });

  it('need a requester with a name and a known agent', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus();
    const requester = await bus.agent('requester');
    await expect(bus.request('requester', 'x', 1, { durable: true })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    await expect(requester.request('requestor', 'x', 1, { durable: true })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      hint: 'Did you mean requester?',
    });
    await expect(requester.request('requester', 'x', 1, { durable: true, timeoutMs: 50 })).rejects.toMatchObject({
      code: 'TIMEOUT',
    });
  });
});
