// Leases while handlers run: renewed in time, lost with a signal, never settled twice.
import { BusbarError, openBus } from '@busbar/api';
import type { Delivery, Settlement, SettleResult } from '@busbar/api/transport';
import { openMemory } from '@busbar/transport-memory';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { DeliveryLease, DeliveryLeases } from '../../src/bus/consuming/delivery-leases.ts';
import { backends, Lab } from '../lab.ts';

describe.each(backends)('leases over %s', (backend) => {
  it('are renewed while a handler runs', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus();
    const agent = await bus.agent('agent', { leaseMs: 400 });
    let runs = 0;
    let done = 0;
    const { admin } = bus.transport;
    agent.handle('long', async (_, ctx) => {
      runs += 1;
      let [leftMs, renewals] = [0, 0];
      const renewed = async (): Promise<number> => {
        const { messages } = await admin.browse('$inbox.agent', { state: 'leased' });
        const left = messages[0]?.leaseLeftMs ?? 0;
        if (left > leftMs) renewals += 1;
        leftMs = left;
        return renewals;
      };
      // More renewals than one lease has room for.
      await expect.poll(renewed, { interval: 10, timeout: 5_000 }).toBeGreaterThan(4);
      await ctx.extend();
      expect(ctx.signal.aborted).toBe(false);
      done += 1;
    });
    await bus.send('agent', 'long');
    await expect.poll(() => done, { timeout: 5000 }).toBe(1);
    expect(runs).toBe(1);
    expect(lab.errors).toEqual([]);
  });

  it('fire the signal when they are lost, and nothing is settled (I10)', async () => {
    await using lab = await Lab.open(backend);
    const [one, two] = [await lab.bus(), await lab.bus()];
    const agent = await one.agent('agent', { leaseMs: 100, maxConcurrent: 1 });
    const other = await two.agent('other');
    let blocked = false;
    agent.handle('block', async (msg, ctx) => {
      await ctx.send('other', 'effect', msg.body);
      if (blocked) return;
      blocked = true;
      const until = performance.now() + 400;
      while (performance.now() < until);
    });
    await one.send('agent', 'block', 1);
    const settled = async () => {
      const [info] = await one.transport.admin.queues({ names: ['$inbox.agent'] });
      return info && [info.ready + info.leased + info.delayed, info.totals.done, info.dead];
    };
    await expect.poll(settled, { timeout: 5000 }).toEqual([0, 1, 0]);
    expect((await other.receive({ max: 10 })).map(({ body }) => body)).toEqual([1]);
    const others = lab.errors.filter(({ code }) => code !== 'LEASE_LOST');
    expect(others.map(({ code, message }) => `${code}: ${message}`)).toEqual([
      expect.stringMatching(
        /^TIMEOUT: the event loop was blocked for \d{3} ms, longer than half of the lease of \d+ ms$/,
      ),
    ]);
  });

  it('end when the inbox is deleted, and the handler sees it', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus();
    const agent = await bus.agent('agent', { leaseMs: 100 });
    const reasons: unknown[] = [];
    agent.handle('x', (_, ctx) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      ctx.signal.addEventListener('abort', () => {
        reasons.push(ctx.signal.reason);
        resolve();
      });
      return promise;
    });
    await bus.send('agent', 'x');
    await expect.poll(() => agent.load).toBe(1);
    await bus.transport.admin.deleteQueue('$inbox.agent');
    await expect.poll(() => reasons, { timeout: 5000 }).toMatchObject([{ code: 'LEASE_LOST' }]);
    await expect.poll(() => lab.errors.map(({ code }) => code)).toEqual(['LEASE_LOST']);
  });
});

describe('leases', () => {
  const delivery = (receipt: string, leaseLeftMs: number): Delivery => ({ receipt, leaseLeftMs }) as Delivery;

  function fake(answer: (settlement: Settlement) => SettleResult['status']) {
    const calls: (readonly Settlement[])[] = [];
    const queues = {
      settle: async (settlements: readonly Settlement[]) => {
        calls.push(settlements);
        return settlements.map((one) => ({ receipt: one.receipt, status: answer(one), leaseLeftMs: 60 }));
      },
    };
    return { calls, leases: new DeliveryLeases(queues as never, () => undefined) };
  }

  it('settle all messages of one turn in one call', async () => {
    const { calls, leases } = fake(() => 'done');
    const held = ['a', 'b', 'c'].map((receipt) => leases.hold(delivery(receipt, 10_000)));
    const statuses = await Promise.all(
      held.map((lease) => leases.settle(lease, { receipt: lease.receipt, action: 'ack' })),
    );
    expect(statuses).toEqual(['done', 'done', 'done']);
    expect(calls).toHaveLength(1);
    leases.close();
  });

  it('are renewed every third, together, and stop once settled', async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const { calls, leases } = fake(() => 'done');
    const held = ['a', 'b'].map((receipt) => leases.hold(delivery(receipt, 60)));
    await vi.advanceTimersByTimeAsync(85);
    expect(calls.map((call) => call.map(({ receipt, action }) => `${action} ${receipt}`))).toEqual(
      Array.from({ length: 4 }, () => ['extend a', 'extend b']),
    );
    for (const lease of held) await leases.settle(lease, { receipt: lease.receipt, action: 'ack' });
    const count = calls.length;
    // One that is held beside them is renewed three times more; they are not.
    const other = leases.hold(delivery('c', 60));
    await vi.advanceTimersByTimeAsync(65);
    expect(calls.slice(count).map((call) => call.map(({ receipt }) => receipt))).toEqual([['c'], ['c'], ['c']]);
    await leases.settle(other, { receipt: other.receipt, action: 'ack' });
    leases.close();
  });

  it('count as lost when no renewal is confirmed before their end', async () => {
    const hangs = { settle: () => new Promise(() => undefined) };
    const leases = new DeliveryLeases(hangs as never, () => undefined);
    const lease = leases.hold(delivery('a', 100));
    await expect.poll(() => lease.isLost, { timeout: 5000 }).toBe(true);
    expect(lease.signal.reason).toMatchObject({ code: 'LEASE_LOST' });
    await expect(leases.extend(lease)).rejects.toMatchObject({ code: 'LEASE_LOST' });
    leases.close();
  });

  it('count from the sending of the claim: one that is over is confirmed before its handler begins', async () => {
    const { calls, leases } = fake(({ receipt }) => (receipt === 'a' ? 'done' : 'lease-lost'));
    const over = (receipt: string) =>
      ({ receipt, leaseLeftMs: 60_000, leaseEndsAt: performance.now() - 1 }) as Delivery;
    const held = leases.hold({ ...delivery('c', 60_000), leaseEndsAt: performance.now() + 60_000 });
    expect(leases.check(held)).toBeUndefined();
    const lease = leases.hold(over('a'));
    await leases.check(lease);
    expect(lease.endsAt).toBeGreaterThan(performance.now());
    await expect(leases.check(leases.hold(over('b')))).rejects.toMatchObject({ code: 'LEASE_LOST' });
    expect(calls.flat().map(({ receipt, action }) => `${action} ${receipt}`)).toEqual(['extend a', 'extend b']);
    leases.close();
  });

  it('count from the sending of a renewal: an answer after the lease is confirmed again, then counts as lost', async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    let renewals = 0;
    const queues = {
      settle: async (settlements: readonly Settlement[]) => {
        renewals += 1;
        await vi.advanceTimersByTimeAsync(80);
        return settlements.map(({ receipt }) => ({ receipt, status: 'done', leaseLeftMs: 50 }));
      },
    };
    const leases = new DeliveryLeases(queues as never, () => undefined);
    const lease = leases.hold({ ...delivery('a', 50), leaseEndsAt: 0 });
    await expect(leases.ensure(lease)).rejects.toMatchObject({ code: 'LEASE_LOST' });
    expect([lease.isLost, renewals >= 3]).toEqual([true, true]);
    leases.close();
  });

  it('end without their entries when the store is too full for them, and not again when the outcome is unknown', async () => {
    const reports: BusbarError[] = [];
    let outcome: 'failed' | 'unknown' = 'failed';
    const calls: (readonly Settlement[])[] = [];
    const queues = {
      settle: async (settlements: readonly Settlement[]) => {
        calls.push(settlements);
        if (settlements.some(({ entry }) => entry !== undefined)) {
          throw new BusbarError('BACKPRESSURE', 'full', { outcome });
        }
        return settlements.map(({ receipt }) => ({ receipt, status: 'done' }));
      },
    };
    const leases = new DeliveryLeases(queues as never, (error) => reports.push(error));
    const entry = { key: 'key', value: Uint8Array.of(1) };
    const settle = (receipt: string) =>
      leases.settle(leases.hold(delivery(receipt, 10_000)), { receipt, action: 'ack', entry });
    expect(await settle('a')).toBe('done');
    expect(calls.map(([one]) => one?.entry)).toEqual([entry, undefined]);
    outcome = 'unknown';
    expect(await settle('b')).toBe('unknown');
    expect([calls.length, ...reports.map(({ code }) => code)]).toEqual([3, 'BACKPRESSURE', 'BACKPRESSURE']);
    leases.close();
  });

  it('keep the process alive while any is held', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const { leases } = fake(() => 'done');
    const before = timers();
    const first = leases.hold(delivery('a', 10_000));
    expect(timers()).toBe(before + 1);
    await leases.settle(first, { receipt: 'a', action: 'ack' });
    expect(timers()).toBe(before);
    leases.hold(delivery('b', 10_000));
    expect(timers()).toBe(before + 1);
    leases.close();
  });

  it('create their signal on first use', () => {
    const lease = new DeliveryLease(delivery('a', 100), 0);
    lease.abort(new Error('first'));
    lease.abort(new Error('second'));
    expect(lease.signal.reason).toMatchObject({ message: 'first' });
  });
});

describe('a consumer', () => {
  it('continues after failures of the transport, and ends with it', async () => {
    const transport = await openMemory();
    let failures = 0;
    const flaky = new Proxy(transport.queues, {
      get: (target, key) => {
        if (key !== 'receive') return Reflect.get(target, key, target);
        return (...args: Parameters<typeof target.receive>) => {
          failures += 1;
          return failures < 4 ? Promise.reject(new Error('away')) : target.receive(...args);
        };
      },
    });
    const errors: string[] = [];
    const bus = openBus(
      new Proxy(transport, {
        get: (target, key) => {
          const value: unknown = key === 'queues' ? flaky : Reflect.get(target, key, target);
          return typeof value === 'function' ? value.bind(target) : value;
        },
      }),
      { onError: ({ error, place }) => void errors.push(`${place}: ${error.message}`) },
    );
    const agent = await bus.agent('agent');
    const seen: unknown[] = [];
    agent.handle('x', (msg) => void seen.push(msg.body));
    await bus.send('agent', 'x', 1);
    await expect.poll(() => seen, { timeout: 5000 }).toEqual([1]);
    expect(errors).toEqual(['inbox agent: away', 'inbox agent: away', 'inbox agent: away']);
    await transport.close();
    await bus.close({ drainMs: 0 });
  });
});
