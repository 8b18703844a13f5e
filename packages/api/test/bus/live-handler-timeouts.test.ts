// Handlers of live subscriptions that hang: their time limit, their signal, and the close.
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { backends, Lab } from '../lab.ts';

const WAIT = { timeout: 10_000 };

describe.each(backends)('a live handler on %s', (backend) => {
  test('that hangs fails after timeoutMs: its signal fires, and the next event follows', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus();
    const failed: unknown[] = [];
    bus.events.on('failed', ({ subscription, isLive, next }) => failed.push([subscription, isLive, next]));
    const [seen, signals]: [unknown[], AbortSignal[]] = [[], []];
    const subscription = await bus.subscribe<string>(
      'n',
      async ({ body }, { signal }) => {
        signals.push(signal);
        seen.push(body);
        if (body === 'hangs') await new Promise(() => undefined);
      },
      { timeoutMs: 50 },
    );
    await bus.publish('n', 'hangs');
    await bus.publish('n', 'next');
    await expect.poll(() => seen, WAIT).toEqual(['hangs', 'next']);
    expect(lab.errors).toMatchObject([{ code: 'HANDLER_FAILED', cause: { code: 'TIMEOUT' } }]);
    expect(failed).toEqual([['n', true, 'none']]);
    expect([signals[0]?.reason, signals[1]?.aborted]).toMatchObject([{ code: 'TIMEOUT' }, false]);
    await subscription.close();
    expect(lab.errors).toHaveLength(1);
  });

  test('that is in time does not fail, also behind one that was late', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus();
    const seen: unknown[] = [];
    await bus.subscribe<number>(
      'n',
      async ({ body }, { signal }) => {
        if (body === 1) await sleep(60_000, undefined, { signal });
        seen.push(body);
      },
      { timeoutMs: 200 },
    );
    for (const body of [1, 2, 3]) await bus.publish('n', body);
    await expect.poll(() => seen, WAIT).toEqual([2, 3]);
    expect(lab.errors).toHaveLength(1);
  });

  test('that hangs without a limit gets its signal when the subscription is closed', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus();
    const begun = Promise.withResolvers<AbortSignal>();
    const subscription = await bus.subscribe('n', async (_, { signal }) => {
      begun.resolve(signal);
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
    });
    await bus.publish('n', 1);
    const signal = await begun.promise;
    await subscription.close({ drainMs: 0 });
    expect(signal.reason).toMatchObject({ code: 'CLOSED' });
  });
});
