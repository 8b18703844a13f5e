/** Locks while the store fails: lost or late results, failed renewals. */

import { type Bus, BusbarError } from '@busbar/api';
import type { KeyValue } from '@busbar/api/transport';
import { waitFor } from '@busbar/testbed';
import { expect, test, vi } from 'vitest';
import { Lab } from '../lab.ts';

const code = (wanted: string) => expect.objectContaining({ code: wanted });
const away = (): BusbarError => new BusbarError('UNAVAILABLE', 'the server is away', { outcome: 'unknown' });

/** Replaces one key-value operation with `fault`, which gets the real one. */
function inject<K extends 'put' | 'touch' | 'delete'>(
  bus: Bus,
  name: K,
  fault: (real: KeyValue[K]) => (...args: Parameters<KeyValue[K]>) => ReturnType<KeyValue[K]>,
): void {
  const { kv } = bus.transport;
  const real = kv[name].bind(kv) as KeyValue[K];
  Object.defineProperty(kv, name, { value: fault(real) });
}

test('an entry that was stored after the wait was aborted is deleted', async () => {
  await using lab = await Lab.open('memory');
  const [a, b] = [await lab.bus(), await lab.bus()];
  const answer = Promise.withResolvers<void>();
  inject(a, 'put', (real) => async (...args) => {
    const result = await real(...args);
    await answer.promise;
    return result;
  });
  const abort = new AbortController();
  const taking = a.lock('x', { signal: abort.signal });
  await waitFor(() => b.lockHolder('x'), { what: 'the entry' });
  abort.abort();
  await expect(taking).rejects.toEqual(code('ABORTED'));
  answer.resolve();
  expect((await b.lock('x', { waitMs: 5000 })).lost).toBe(false);
});

test('an attempt with a lost result rejects and leaves no entry', async () => {
  await using lab = await Lab.open('memory');
  const [a, b] = [await lab.bus(), await lab.bus()];
  inject(a, 'put', (real) => async (...args) => {
    await real(...args);
    throw away();
  });
  await expect(a.lock('x')).rejects.toEqual(code('UNAVAILABLE'));
  expect((await b.lock('x', { waitMs: 5000 })).lost).toBe(false);
});

test('a conflict with its own entry acquires the lock', async () => {
  await using lab = await Lab.open('memory');
  const [a, b] = [await lab.bus(), await lab.bus()];
  inject(a, 'put', (real) => async (...args) => {
    await real(...args);
    return real(...args);
  });
  const lock = await a.lock('x', { waitMs: 0 });
  expect(await b.lockHolder('x')).toMatchObject({ token: lock.token });
  await lock.release();
  expect(await b.lockHolder('x')).toBeUndefined();
});

test('failed renewals are repeated; after a whole lease the lock is lost', async () => {
  await using lab = await Lab.open('memory');
  const bus = await lab.bus();
  let failures = 0;
  let isAway = true;
  inject(bus, 'touch', (real) => async (...args) => {
    if (!isAway) return real(...args);
    failures += 1;
    throw away();
  });
  const lock = await bus.lock('x', { leaseMs: 900 });
  await waitFor(() => failures >= 2, { what: 'two failures' });
  isAway = false;
  const begin = performance.now();
  await waitFor(() => performance.now() - begin > 1000, { what: 'more than a TTL' });
  expect(lock.lost).toBe(false);
  isAway = true;
  await waitFor(() => lock.signal.aborted, { what: 'the loss' });
  expect(lock.signal.reason).toEqual(code('LEASE_LOST'));
  await expect(lock.extend()).rejects.toEqual(code('LEASE_LOST'));
  expect(lab.errors.some((error) => error.code === 'UNAVAILABLE')).toBe(true);
});

test('a hanging renewal does not hide the loss', async () => {
  await using lab = await Lab.open('memory');
  const bus = await lab.bus();
  inject(bus, 'touch', () => () => new Promise(() => undefined));
  const lock = await bus.lock('x', { leaseMs: 90 });
  await waitFor(() => lock.signal.aborted, { what: 'the loss', timeoutMs: 1000 });
});

test('a failed release is reported and does not fail the work', async () => {
  await using lab = await Lab.open('memory');
  const bus = await lab.bus();
  inject(bus, 'delete', () => async () => {
    throw away();
  });
  expect(await bus.lock('x', () => 'done')).toBe('done');
  expect(lab.errors).toMatchObject([{ code: 'UNAVAILABLE' }]);
});

test('a wait for a lock of more than 5 s ends on time, also when the server never answers', {
  timeout: 20_000,
}, async () => {
  await using lab = await Lab.open('memory');
  const bus = await lab.bus();
  const { promise: never, resolve } = Promise.withResolvers<never>();
  inject(bus, 'put', () => () => never);
  const began = performance.now();
  await expect(bus.lock('x', { waitMs: 5_500 })).rejects.toEqual(code('UNAVAILABLE'));
  expect(performance.now() - began).toBeLessThan(9_000);
  resolve(Promise.reject(away()) as never);
});

test('a wait for a lock ends soon after its time, also when the server never answers', async () => {
  await using lab = await Lab.open('memory');
  const bus = await lab.bus();
  const { promise: never, resolve } = Promise.withResolvers<never>();
  inject(bus, 'put', () => () => never);
  // Timers may fire a fraction of a millisecond early.
  const { setTimeout } = globalThis;
  using _early = vi
    .spyOn(globalThis, 'setTimeout')
    .mockImplementation(((run: () => void, ms = 0) => setTimeout(run, Math.max(0, ms - 2))) as typeof setTimeout);
  const began = performance.now();
  await expect(bus.lock('x', { waitMs: 100 })).rejects.toEqual(code('UNAVAILABLE'));
  expect(performance.now() - began).toBeLessThan(10_000);
  resolve(Promise.reject(away()) as never);
});
