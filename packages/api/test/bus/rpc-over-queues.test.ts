// What is special about requests that go over queues: who has gone is noticed, and nothing is left behind.
import type { BusbarError } from '@busbar/api';
import { describe, expect, it } from 'vitest';
import { Lab } from '../lab.ts';

const OVER_QUEUES = 'memory without calls';

describe('requests over queues', () => {
  it('end when the responder goes away, without waiting for their time (R10)', async () => {
    await using lab = await Lab.open(OVER_QUEUES);
    const [one, two] = [await lab.bus(), await lab.bus()];
    const agent = await one.agent('agent');
    const gate = Promise.withResolvers<void>();
    let begun = 0;
    agent.handle('x', async (_, ctx) => {
      begun += 1;
      if (begun === 1) await ctx.reply('a sign of life');
      await gate.promise;
    });
    const known = two.requestStream('agent', 'x');
    const parts: unknown[] = [];
    const read = (async () => {
      for await (const part of known) parts.push(part);
    })().catch((error: BusbarError) => error);
    await expect.poll(() => parts.length).toBe(1);
    const unknown = two.request('agent', 'x').catch((error: BusbarError) => error);
    await expect.poll(() => begun).toBe(2);
    const [entry] = await two.transport.kv.list('$serve/');
    await two.transport.kv.delete(entry!.key);
    expect(await read).toMatchObject({ code: 'CLOSED', outcome: 'unknown' });
    expect(['CLOSED', 'NO_RESPONDER']).toContain(((await unknown) as BusbarError).code);
    gate.resolve();
  });

  it('that are left at once reach their responder all the same', async () => {
    await using lab = await Lab.open(OVER_QUEUES);
    const [one, two] = [await lab.bus(), await lab.bus()];
    const agent = await one.agent('agent');
    const begun = Promise.withResolvers<void>();
    const left = Promise.withResolvers<void>();
    agent.handle('x', (_, ctx) => {
      begun.resolve();
      ctx.signal.addEventListener('abort', () => left.resolve());
      return left.promise;
    });
    const controller = new AbortController();
    const asked = two.request('agent', 'x', 1, { signal: controller.signal });
    await begun.promise;
    controller.abort();
    await expect(asked).rejects.toMatchObject({ code: 'ABORTED', outcome: 'unknown' });
    await left.promise;
  });

  it('that nobody took are taken back when their asker leaves', async () => {
    await using lab = await Lab.open(OVER_QUEUES);
    const [one, two] = [await lab.bus(), await lab.bus()];
    const agent = await one.agent('agent', { maxConcurrent: 1 });
    const gate = Promise.withResolvers<void>();
    let handled = 0;
    agent.handle('x', async () => {
      handled += 1;
      await gate.promise;
    });
    const first = two.request('agent', 'x');
    await expect.poll(() => handled).toBe(1);
    await expect(two.request('agent', 'x', 1, { timeoutMs: 50 })).rejects.toMatchObject({ code: 'TIMEOUT' });
    const ready = async () => (await one.transport.admin.queues({ names: ['$call.agent'] }))[0]?.ready;
    await expect.poll(ready).toBe(0);
    gate.resolve();
    await first;
    expect(handled).toBe(1);
  });

  it('leave no queue and no entry behind (R12)', async () => {
    await using lab = await Lab.open(OVER_QUEUES);
    const [one, two] = [await lab.bus(), await lab.bus()];
    const agent = await two.agent('agent');
    agent.handle('x', () => 1);
    await two.request('agent', 'x');
    await two.close();
    expect((await one.transport.admin.queues({ prefix: '$reply.' })).map(({ name }) => name)).toEqual([]);
    expect(await one.transport.kv.list('$serve/')).toEqual([]);
    expect(await one.transport.kv.list('$live/')).toEqual([]);
    const [calls] = await one.transport.admin.queues({ names: ['$call.agent'] });
    expect(calls?.settings.expireIdleMs).toBe(60_000);
  });

  it('work again when their queues went for being idle', async () => {
    await using lab = await Lab.open(OVER_QUEUES);
    const [one, two] = [await lab.bus(), await lab.bus()];
    const agent = await one.agent('agent');
    agent.handle('x', (msg) => msg.body);
    expect(await two.request('agent', 'x', 1)).toBe(1);
    await one.transport.admin.deleteQueue('$call.agent');
    expect(await two.request('agent', 'x', 2)).toBe(2);
  });
});
