// Requests over queues: dead peers are noticed, and no queue or key is left.
import type { BusbarError } from '@busbar/api';
import { describe, expect, it } from 'vitest';
import { Lab } from '../lab.ts';

const OVER_QUEUES = 'memory without calls';

describe('requests over queues', () => {
  it('end when the responder dies, before their timeout (R10)', async () => {
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

  it('reach their responder even if the requester leaves at once', async () => {
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

  it('are cancelled when their requester leaves before a responder takes them', async () => {
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

  it('leave no queue and no key (R12)', async () => {
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

  it('work again after their queues expired as idle', async () => {
    await using lab = await Lab.open(OVER_QUEUES);
    const [one, two] = [await lab.bus(), await lab.bus()];
    const agent = await one.agent('agent');
    agent.handle('x', (msg) => msg.body);
    expect(await two.request('agent', 'x', 1)).toBe(1);
    await one.transport.admin.deleteQueue('$call.agent');
    expect(await two.request('agent', 'x', 2)).toBe(2);
  });
});
