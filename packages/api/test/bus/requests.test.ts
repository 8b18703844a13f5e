// Requests between agents, over calls and over queues, with the same outcomes.
import { type BusbarError, defineRequest } from '@busbar/api';
import { describe, expect, it } from 'vitest';
import { Lab, requestBackends } from '../lab.ts';
import { numberSchema, objectSchema, stringSchema } from '../schemas.ts';

describe.each(requestBackends)('requests over %s', (backend) => {
  it('work between two buses (R1)', async () => {
    await using lab = await Lab.open(backend);
    const [one, two] = [await lab.bus(), await lab.bus()];
    const auth = await one.agent('@service.auth', { capabilities: ['auth'] });
    auth.handle<{ token: string }>('validate_token', (msg, ctx) => {
      expect(ctx.attempt).toBe(1);
      return { valid: msg.body.token === 'good', from: msg.from, type: msg.type, headers: msg.headers };
    });
    const backendAgent = await two.agent('@backend.nodejs');
    const answer = await backendAgent.request(
      '@service.auth',
      'validate_token',
      { token: 'good' },
      { headers: { a: 'b' } },
    );
    expect(answer).toEqual({ valid: true, from: '@backend.nodejs', type: 'validate_token', headers: { a: 'b' } });
    expect(await two.request({ capability: 'auth' }, 'validate_token', { token: 'bad' })).toMatchObject({
      valid: false,
    });
    expect(lab.errors).toEqual([]);
  });

  it('never mixes a thousand concurrent requests (R2)', async () => {
    await using lab = await Lab.open(backend);
    const [one, two] = [await lab.bus(), await lab.bus()];
    const echo = await one.agent('echo', { maxConcurrent: 64 });
    echo.handle('echo', async (msg) => msg.body);
    const requester = await two.agent('requester');
    const answers = await Promise.all(Array.from({ length: 1000 }, (_, n) => requester.request('echo', 'echo', n)));
    expect(answers).toEqual(Array.from({ length: 1000 }, (_, n) => n));
  });

  it('rejects at once without a responder (R4)', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus();
    const requester = await bus.agent('@backend.nodejs');
    const startedAt = performance.now();
    const missing = await requester.request('@backend.nodej', 'x', 1).catch((error: BusbarError) => error);
    expect(missing).toMatchObject({ code: 'NO_RESPONDER', outcome: 'failed', hint: 'Did you mean @backend.nodejs?' });
    await expect(requester.request({ capability: 'none' }, 'x')).rejects.toMatchObject({ code: 'NO_RESPONDER' });
    const gone = await bus.agent('gone');
    gone.handle('x', () => 1);
    await gone.close();
    const offline = await requester.request('gone', 'x').catch((error: BusbarError) => error);
    expect(offline).toMatchObject({ code: 'NO_RESPONDER' });
    expect((offline as BusbarError).hint).toContain('durable: true');
    expect(performance.now() - startedAt).toBeLessThan(5000);
  });

  it('names the types that an agent handles', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus();
    const agent = await bus.agent('agent');
    const empty = await bus.request('agent', 'x').catch((error: BusbarError) => error);
    expect(empty).toMatchObject({ code: 'NO_RESPONDER', hint: 'The agent has no handlers yet.' });
    agent.handle('known', () => 1);
    await expect(bus.request('agent', 'x')).rejects.toMatchObject({ code: 'NO_RESPONDER', hint: 'It handles known.' });
  });

  it('times out, and never gives a late reply to the next request (R3, R6)', async () => {
    await using lab = await Lab.open(backend);
    const [one, two] = [await lab.bus(), await lab.bus()];
    const slow = await one.agent('slow');
    const gates: PromiseWithResolvers<string>[] = [];
    let fired = 0;
    slow.handle('x', (_, ctx) => {
      ctx.signal.addEventListener('abort', () => {
        fired += 1;
      });
      gates.push(Promise.withResolvers<string>());
      return gates.at(-1)!.promise;
    });
    const requester = await two.agent('requester');
    await expect(requester.request('slow', 'x', 1, { timeoutMs: 100 })).rejects.toMatchObject({
      code: 'TIMEOUT',
      outcome: 'unknown',
    });
    await expect.poll(() => fired).toBe(1);
    const second = requester.request('slow', 'x', 2);
    await expect.poll(() => gates.length).toBe(2);
    gates[0]!.resolve('late');
    gates[1]!.resolve('second');
    expect(await second).toBe('second');
  });

  it('returns the remote error, typed (R5)', async () => {
    await using lab = await Lab.open(backend);
    const [one, two] = [await lab.bus(), await lab.bus()];
    const agent = await one.agent('agent');
    agent.handle('throws', () => {
      throw new RangeError('too far');
    });
    agent.handle('misses', () => {
      throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
    });
    agent.handle('pretends', () => {
      throw Object.assign(new Error('mine'), { code: 'TIMEOUT' });
    });
    const failed = await two.request('agent', 'throws').catch((error: BusbarError) => error);
    expect(failed).toMatchObject({ code: 'HANDLER_FAILED', retryable: false });
    const { cause } = failed as BusbarError;
    expect(cause).toMatchObject({ name: 'RangeError', message: 'too far' });
    expect(lab.errors.map(({ message }) => message)).toContain('too far');
    const causeOf = (type: string) => two.request('agent', type).catch((error: BusbarError) => error.cause);
    expect(await causeOf('misses')).toMatchObject({ name: 'Error', message: 'no such file', code: 'ENOENT' });
    expect(await causeOf('pretends')).toMatchObject({ name: 'Error', code: 'TIMEOUT' });
  });

  it('streams parts and progress, in order, many, to a slow reader (R7)', async () => {
    await using lab = await Lab.open(backend);
    const [one, two] = [await lab.bus(), await lab.bus()];
    const agent = await one.agent('agent');
    let made = 0;
    agent.handle<number>('count', async function* (msg) {
      for (let n = 0; n < msg.body; n += 1) {
        made += 1;
        yield n;
      }
      return 'done';
    });
    agent.handle('steps', async (_, ctx) => {
      await ctx.progress(0.5);
      await ctx.reply('half');
      return 'whole';
    });
    const stream = two.requestStream<number, string>('agent', 'count', 500);
    const seen: number[] = [];
    for await (const part of stream) {
      seen.push(part);
      if (seen.length === 1) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        expect(made).toBeLessThan(300);
      }
    }
    expect(seen).toEqual(Array.from({ length: 500 }, (_, n) => n));
    expect(await stream.result).toBe('done');
    const steps: unknown[] = [];
    for await (const part of two.requestStream('agent', 'steps')) steps.push(part);
    expect(steps).toEqual([0.5, 'half']);
    expect(await two.request('agent', 'count', 300)).toBe('done');
    expect(await two.requestStream('agent', 'count', 300).result).toBe('done');
  });

  it('fires the signal of the responder when the reader leaves or the requester aborts (R8)', async () => {
    await using lab = await Lab.open(backend);
    const [one, two] = [await lab.bus(), await lab.bus()];
    const agent = await one.agent('agent');
    const ended: string[] = [];
    agent.handle('endless', async function* (_, ctx) {
      try {
        for (let n = 0; !ctx.signal.aborted; n += 1) yield n;
      } finally {
        ended.push('endless');
      }
    });
    agent.handle('waits', async (_, ctx) => {
      await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve));
      ended.push('waits');
    });
    const stream = two.requestStream('agent', 'endless');
    for await (const part of stream) if (part === 5) break;
    await expect(stream.result).rejects.toMatchObject({ code: 'ABORTED' });
    await expect.poll(() => ended, { timeout: 5000 }).toEqual(['endless']);
    const controller = new AbortController();
    const asked = two.request('agent', 'waits', 1, { signal: controller.signal });
    setTimeout(() => controller.abort(), 120);
    await expect(asked).rejects.toMatchObject({ code: 'ABORTED' });
    await expect.poll(() => ended, { timeout: 5000 }).toEqual(['endless', 'waits']);
  });

  it('ends the requests of a handler when its requester leaves', async () => {
    await using lab = await Lab.open(backend);
    const [one, two, three] = [await lab.bus(), await lab.bus(), await lab.bus()];
    const [middle, last] = [await one.agent('middle'), await two.agent('last')];
    const seen: unknown[] = [];
    last.handle('waits', async (_, ctx) => {
      await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve));
      seen.push('last');
    });
    middle.handle('asks', (_, ctx) =>
      ctx.request('last', 'waits', 1, { timeoutMs: 60_000 }).catch((error: BusbarError) => void seen.push(error.code)),
    );
    await expect(three.request('middle', 'asks', 1, { timeoutMs: 200 })).rejects.toMatchObject({ code: 'TIMEOUT' });
    await expect.poll(() => seen.sort(), { timeout: 5000 }).toEqual(['ABORTED', 'last']);
  });

  it('rejects pending requests when the bus closes (R9)', async () => {
    await using lab = await Lab.open(backend);
    const [one, two] = [await lab.bus(), await lab.bus()];
    const agent = await one.agent('agent');
    agent.handle('never', () => new Promise(() => undefined));
    const asked = two.request('agent', 'never').catch((error: BusbarError) => error);
    await expect.poll(() => agent.load).toBe(1);
    await two.close({ drainMs: 0 });
    expect(await asked).toMatchObject({ code: 'CLOSED' });
    await expect(two.request('agent', 'never')).rejects.toMatchObject({ code: 'CLOSED' });
  });

  it('finishes running requests before the responder closes', async () => {
    await using lab = await Lab.open(backend);
    const [one, two] = [await lab.bus(), await lab.bus()];
    const agent = await one.agent('agent');
    const gate = Promise.withResolvers<string>();
    agent.handle('x', () => gate.promise);
    const asked = two.request('agent', 'x');
    await expect.poll(() => agent.load).toBe(1);
    const closed = agent.close();
    setTimeout(() => gate.resolve('finished'), 50);
    expect(await asked).toBe('finished');
    await closed;
  });

  it('shares requests between instances, each within its limit', async () => {
    await using lab = await Lab.open(backend);
    const buses = [await lab.bus(), await lab.bus(), await lab.bus()];
    const handled = [0, 0];
    let most = 0;
    for (const [index, bus] of buses.slice(0, 2).entries()) {
      const agent = await bus.agent('worker', { maxConcurrent: 2 });
      agent.handle('x', async () => {
        handled[index]! += 1;
        most = Math.max(most, agent.load);
        await new Promise((resolve) => setTimeout(resolve, 5));
      });
    }
    await Promise.all(Array.from({ length: 40 }, () => buses[2]!.request('worker', 'x')));
    expect(handled[0]! + handled[1]!).toBe(40);
    expect(Math.min(...handled)).toBeGreaterThan(5);
    expect(most).toBe(2);
  });

  it('checks the schemas on both sides', async () => {
    await using lab = await Lab.open(backend);
    const [one, two] = [await lab.bus(), await lab.bus()];
    const add = defineRequest('add', {
      request: objectSchema({ a: numberSchema, b: numberSchema }),
      response: numberSchema,
    });
    const agent = await one.agent('agent');
    agent.handle(add, (msg) => msg.body.a + msg.body.b);
    expect(await two.request('agent', add, { a: 1, b: 2 })).toBe(3);
    await expect(two.request('agent', add, { a: 1 } as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    const refused = await two.request('agent', 'add', { a: 1 }).catch((error: BusbarError) => error);
    expect(refused).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect((refused as BusbarError).message).toContain('b');
    const bad = defineRequest('bad', { response: stringSchema });
    agent.handle(bad, () => 5 as never);
    await expect(two.request('agent', bad, 1)).rejects.toMatchObject({ code: 'HANDLER_FAILED' });
  });

  it('keeps the id of the requester, and runs the same id twice', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus();
    const agent = await bus.agent('agent');
    agent.handle('id', (msg) => msg.id);
    expect(await bus.request('agent', 'id', 1, { id: 'mine' })).toBe('mine');
    expect(await bus.request('agent', 'id', 1, { id: 'mine' })).toBe('mine');
  });

  it('refuses bad arguments before any effect', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus();
    const agent = await bus.agent('agent');
    agent.handle('x', () => 1);
    const bad: [unknown, unknown, unknown, unknown][] = [
      ['$inbox', 'x', 1, {}],
      [{ capability: '' }, 'x', 1, {}],
      [{ capabilty: 'x' }, 'x', 1, {}],
      ['agent', '', 1, {}],
      ['agent', undefined, 1, {}],
      ['agent', 'x', 1, { timeout: 5 }],
      ['agent', 'x', 1, { timeoutMs: 0 }],
      ['agent', 'x', 1, { ttlMs: 5 }],
      ['agent', 'x', 1, { headers: { 'bus-kind': 'part' } }],
      ['agent', 'x', 1, { durable: 'yes' }],
      ['agent', 'x', Number.NaN, {}],
    ];
    for (const args of bad) {
      const asked = bus.request(...(args as [string, string, unknown, object]));
      await expect(asked, JSON.stringify(args)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
  });
});

it('an error does not wait long for its hint', async () => {
  await using lab = await Lab.open('memory');
  const bus = await lab.bus();
  const { kv } = bus.transport;
  const never = (_: unknown, options?: { readonly timeoutMs?: number | undefined }): Promise<never> =>
    new Promise((_, reject) => setTimeout(reject, options?.timeoutMs ?? 30_000, new Error('late')).unref());
  for (const name of ['get', 'list']) Object.defineProperty(kv, name, { value: never });
  const startedAt = performance.now();
  await expect(bus.request('@missing', 'x')).rejects.toMatchObject({ code: 'NO_RESPONDER' });
  expect(performance.now() - startedAt).toBeLessThan(10_000);
});
