/** Locks and semaphores, on several backends. */

import { type Bus, type Lock, openBus } from '@busbar/api';
import { waitFor } from '@busbar/testbed';
import { describe, expect, test } from 'vitest';
import { backends, Lab } from '../lab.ts';

const code = (wanted: string) => expect.objectContaining({ code: wanted });

describe.each(backends)('on %s', (backend) => {
  const open = () => Lab.open(backend);

  test('one holder at a time; tokens rise; a release admits the next holder', async () => {
    await using lab = await open();
    const [a, b] = [await lab.bus(), await lab.bus()];
    const first = await a.lock('agents.md', { owner: '@a' });
    expect(await b.lockHolder('agents.md')).toMatchObject({ owner: '@a', token: first.token, pid: process.pid });
    await expect(b.lock('agents.md', { waitMs: 0 })).rejects.toEqual(code('CONFLICT'));
    await expect(b.lock('agents.md', { waitMs: 30 })).rejects.toMatchObject({
      code: 'TIMEOUT',
      message: `the lock "agents.md" is held by @a (process ${process.pid})`,
    });
    const second = b.lock('agents.md');
    await first.release();
    await first.release();
    expect((await second).token).toBeGreaterThan(first.token);
    expect(first.lost).toBe(false);
    await (await second).release();
    expect(await a.lockHolder('agents.md')).toBeUndefined();
  });

  test('the lock is released when its work ends or throws', async () => {
    await using lab = await open();
    const bus = await lab.bus();
    expect(await bus.lock('x', async (lock) => lock.token)).toBeGreaterThan(0);
    await expect(
      bus.lock(
        'x',
        () => {
          throw new Error('no');
        },
        { leaseMs: 1000 },
      ),
    ).rejects.toThrow('no');
    expect(await bus.lockHolder('x')).toBeUndefined();
  });

  test('50 contenders of several buses never overlap, and tokens rise', async () => {
    await using lab = await open();
    const buses = await Promise.all([lab.bus(), lab.bus(), lab.bus(), lab.bus(), lab.bus()]);
    const tokens: number[] = [];
    let inside = 0;
    let most = 0;
    const contend = async (bus: Bus): Promise<void> => {
      await bus.lock(
        'file',
        async (lock) => {
          inside += 1;
          most = Math.max(most, inside);
          tokens.push(lock.token);
          await new Promise((resolve) => setImmediate(resolve));
          inside -= 1;
        },
        { leaseMs: 5000, waitMs: 15_000 },
      );
    };
    await Promise.all(Array.from({ length: 50 }, (_, index) => contend(buses[index % 5]!)));
    expect(most).toBe(1);
    expect(tokens).toHaveLength(50);
    expect(tokens.every((token, index) => index === 0 || token > tokens[index - 1]!)).toBe(true);
  });

  test('it renews itself beyond its lease; without renewal it is lost, and the next token is higher', async () => {
    await using lab = await open();
    const [a, b] = [await lab.bus(), await lab.bus()];
    const kept = await a.lock('kept', { leaseMs: 900 });
    const left = await a.lock('left', { leaseMs: 1000, renew: false });
    const taken = await b.lock('left', { waitMs: 5000 });
    expect(taken.token).toBeGreaterThan(left.token);
    expect(left.lost).toBe(true);
    expect(left.signal.reason).toEqual(code('LEASE_LOST'));
    await expect(left.extend()).rejects.toEqual(code('LEASE_LOST'));
    await left.release();
    expect(await a.lockHolder('left')).toMatchObject({ token: taken.token });
    expect(kept.lost).toBe(false);
    await kept.extend();
    await expect(b.lock('kept', { waitMs: 0 })).rejects.toEqual(code('CONFLICT'));
  });

  test('a holder notices that its entry was deleted, and its work rejects', async () => {
    await using lab = await open();
    const bus = await lab.bus();
    const during = bus.lock(
      'gone',
      async (lock) => {
        await bus.transport.kv.delete('$lock/gone');
        await new Promise<void>((resolve) => lock.signal.addEventListener('abort', () => resolve()));
      },
      { leaseMs: 90 },
    );
    await expect(during).rejects.toEqual(code('LEASE_LOST'));
  });

  test('a dead holder blocks others for its lease only', async () => {
    await using lab = await open();
    const dead = await lab.bus();
    // The entry of a killed process is not renewed.
    await dead.transport.kv.put('$lock/x', new TextEncoder().encode('{}'), { ttlMs: 150, ifRevision: 0 });
    const bus = await lab.bus();
    expect(await bus.lockHolder('x')).toMatchObject({ owner: 'unknown' });
    const lock = await bus.lock('x', { waitMs: 5000 });
    expect(lock.lost).toBe(false);
  });

  test('an aborted wait rejects and leaks nothing: the lock is free for the next', async () => {
    await using lab = await open();
    const [a, b] = [await lab.bus(), await lab.bus()];
    const held = await a.lock('x');
    const aborts = Array.from({ length: 10 }, () => new AbortController());
    const waits = aborts.map(({ signal }) => b.lock('x', { signal }));
    const patient = b.lock('x');
    const refused = Promise.all(waits.map((wait) => expect(wait).rejects.toEqual(code('ABORTED'))));
    for (const abort of aborts) abort.abort(new Error('enough'));
    await refused;
    await expect(b.lock('x', { signal: AbortSignal.abort() })).rejects.toEqual(code('ABORTED'));
    await held.release();
    await (await patient).release();
    // An attempt that is aborted in progress deletes its entry.
    const abort = new AbortController();
    const racing = b.lock('x', { signal: abort.signal });
    abort.abort();
    await expect(racing).rejects.toEqual(code('ABORTED'));
    await (await a.lock('x', { waitMs: 5000 })).release();
  });

  test('closing the bus ends waits and releases locks', async () => {
    await using lab = await open();
    const [a, b] = [await lab.bus(), await lab.bus()];
    const held = await a.lock('x');
    const waits = [b.lock('x'), b.lock('x')];
    const refused = Promise.all(waits.map((wait) => expect(wait).rejects.toEqual(code('CLOSED'))));
    await b.close();
    await refused;
    await expect(b.lock('x')).rejects.toEqual(code('CLOSED'));
    const third = await lab.bus();
    const next = third.lock('x');
    await a.close();
    expect(held.signal.reason).toEqual(code('CLOSED'));
    expect((await next).lost).toBe(false);
  });

  test('a semaphore has as many holders as permits', async () => {
    await using lab = await open();
    const [a, b] = [await lab.bus(), await lab.bus()];
    const holders = await Promise.all([1, 2, 3].map(() => a.semaphore('gpu', { permits: 3 })));
    await expect(b.semaphore('gpu', { permits: 3, waitMs: 0 })).rejects.toEqual(code('CONFLICT'));
    const waiting = b.semaphore('gpu', { permits: 3 });
    await holders[1]!.release();
    const next: Lock = await waiting;
    expect(next.name).toBe('gpu');
    let inside = 0;
    let most = 0;
    const work = async (bus: Bus): Promise<void> => {
      await bus.semaphore(
        'cpu',
        async () => {
          inside += 1;
          most = Math.max(most, inside);
          await waitFor(() => most >= 2, { what: 'two inside at once' });
          inside -= 1;
        },
        { permits: 4, waitMs: 15_000 },
      );
    };
    await Promise.all(Array.from({ length: 30 }, (_, index) => work(index % 2 === 0 ? a : b)));
    expect(most).toBeLessThanOrEqual(4);
  });

  test('similar names do not conflict', async () => {
    await using lab = await open();
    const bus = await lab.bus();
    const names = ['a', 'a/0', 'ab', 'src/[slug]/my page.tsx', 'ä', '.env'];
    const locks = await Promise.all(names.map((name) => bus.lock(name, { waitMs: 0 })));
    const slots = await Promise.all(names.map((name) => bus.semaphore(name, { permits: 1, waitMs: 0 })));
    expect(new Set([...locks, ...slots].map((lock) => lock.name)).size).toBe(names.length);
  });
});

test('bad input is refused before any effect', async () => {
  await using lab = await Lab.open('memory');
  const bus = await lab.bus();
  const bad: [unknown, unknown?, unknown?][] = [
    [''],
    [5],
    [undefined],
    ['a\nb'],
    ['x'.repeat(481)],
    ['ä'.repeat(300)],
    ['x', { leaseMs: 10 }],
    ['x', { leaseMs: '1s' }],
    ['x', { ttlMs: 1000 }],
    ['x', { waitMs: -1 }],
    ['x', { wait: 1 }],
    ['x', { signal: {} }],
    ['x', { renew: 'yes' }],
    ['x', { owner: '' }],
    ['x', 7],
    ['x', {}, () => 1],
  ];
  for (const args of bad) await expect(bus.lock(...(args as [string]))).rejects.toEqual(code('INVALID_ARGUMENT'));
  for (const options of [undefined, {}, { permits: 0 }, { permits: 1001 }, { permits: 1.5 }, { permits: 1, x: 1 }]) {
    await expect(bus.semaphore('x', options as never)).rejects.toEqual(code('INVALID_ARGUMENT'));
  }
  expect(await bus.lockHolder('x')).toBeUndefined();
  expect(() => openBus(undefined as never)).toThrow(code('INVALID_ARGUMENT') as never);
});
