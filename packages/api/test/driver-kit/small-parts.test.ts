/** The small parts of the driver kit. */

import { expect, test } from 'vitest';
import { BusbarError } from '../../src/contract/errors.ts';
import { BatchSize } from '../../src/driver-kit/batch-size.ts';
import { Condition } from '../../src/driver-kit/condition.ts';
import { EphemeralBuffer } from '../../src/driver-kit/ephemeral-buffer.ts';
import { decodeError } from '../../src/driver-kit/errors.ts';
import { fromBase64, fromExportedMessage, toBase64, toExportedEvent } from '../../src/driver-kit/exported-message.ts';
import { isAborted, LazyAbortController, whenAborted } from '../../src/driver-kit/lazy-abort.ts';
import { Limiter } from '../../src/driver-kit/limiter.ts';

import { completeMessage } from '../../src/driver-kit/message-fields.ts';
import { toRetention } from '../../src/driver-kit/options/retention.ts';

import { checkStoreFormat, newStoreHeader } from '../../src/driver-kit/store-header.ts';
import { waitForServer } from '../../src/driver-kit/wait-for-server.ts';

test('a condition wakes all callers that wait, and none that come later', async () => {
  const condition = new Condition();
  condition.notify();
  let woken = 0;
  const waits = [1, 2].map(() => condition.wait().then(() => (woken += 1)));
  expect(condition.isAwaited).toBe(true);
  condition.notify();
  await Promise.all(waits);
  expect([woken, condition.isAwaited]).toEqual([2, false]);
});

test('texts in the error of another process are cut', () => {
  const { message, hint } = decodeError({ code: 'INTERNAL', message: 'm'.repeat(12_000), hint: '😀'.repeat(12_000) });
  expect([message.length, hint?.length]).toEqual([4_000, 4_000]);
  expect(message.endsWith('...') && hint?.isWellFormed()).toBe(true);
});

test('a batch grows in steps while items are small, and shrinks at once for large ones', () => {
  const size = new BatchSize({ max: 100, maxBytes: 1_000, maxItemBytes: 1_000 });
  const counts = [size.count];
  for (const bytesEach of [1, 1, 1, 1, 500, 2_000, 1]) {
    size.record(size.count, size.count * bytesEach);
    counts.push(size.count);
  }
  size.record(0, 0);
  expect([...counts, size.count]).toEqual([1, 4, 16, 64, 100, 2, 1, 4, 4]);
  const fixed = new BatchSize({ max: 7, maxItemBytes: 1_000 });
  fixed.record(7, 1e9);
  expect(fixed.count).toBe(7);
});

test('a bounded wait for a condition ends in its time, or before', async () => {
  const condition = new Condition();
  await condition.waitFor(1);
  const woken = condition.waitFor(60_000);
  condition.notify();
  await woken;
});

test('a signal that is asked for late is aborted with the first reason', () => {
  const [outer, early] = [new AbortController(), new LazyAbortController()];
  early.abort('first');
  early.abort('second');
  expect([early.isAborted, early.signal.aborted, early.signal.reason]).toEqual([true, true, 'first']);
  const inner = new LazyAbortController(outer.signal);
  const { signal } = inner;
  expect(signal.aborted).toBe(false);
  outer.abort('outer');
  expect([inner.isAborted, signal.reason]).toEqual([true, 'outer']);
  expect(new LazyAbortController(outer.signal).signal.reason).toBe('outer');
  const bare = new LazyAbortController();
  bare.abort();
  expect(bare.signal.aborted).toBe(true);
});

test('a listener of a context needs no signal, and can stop', () => {
  const heard: string[] = [];
  const [lazy, eager] = [new LazyAbortController(), new AbortController()];
  for (const [name, source] of Object.entries({ lazy, eager })) {
    whenAborted(source, () => heard.push(name));
    whenAborted(source, () => heard.push(`${name} that stopped`))();
    expect(isAborted(source)).toBe(false);
    source.abort();
    source.abort();
    expect(isAborted(source)).toBe(true);
  }
  expect(heard).toEqual(['lazy', 'eager']);
});

test('a limiter runs as many as it may, in order; one that is aborted leaves the queue', async () => {
  const limiter = new Limiter(1);
  const never = new AbortController();
  const started: string[] = [];
  const run = (name: string, signal: AbortSignal): Promise<void> =>
    limiter.acquire(signal).then(() => void started.push(name));
  const leaving = new AbortController();
  await run('a', never.signal);
  const [b, c] = [run('b', leaving.signal), run('c', never.signal)];
  expect(limiter.load).toBe(3);
  leaving.abort(new Error('left'));
  await expect(b).rejects.toThrow('left');
  const idle = limiter.whenIdle();
  limiter.release();
  await c;
  limiter.release();
  await idle;
  expect([started, limiter.load]).toEqual([['a', 'c'], 0]);
  await expect(limiter.acquire(AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone');
});

test('an ephemeral buffer drops what does not fit, by count and by bytes, and counts it', () => {
  const buffer = new EphemeralBuffer<string>({ maxItems: 2, maxBytes: 10 });
  expect([buffer.push('a', 4), buffer.push('b', 7), buffer.push('c', 6), buffer.push('d', 0)]).toEqual([
    true,
    false,
    true,
    false,
  ]);
  expect([buffer.length, buffer.dropped, buffer.at(1)]).toEqual([2, 2, 'c']);
  expect(buffer.take(1)).toEqual(['a']);
  expect(buffer.push('e', 4)).toBe(true);
  buffer.clear();
  expect([buffer.length, buffer.push('f', 10)]).toEqual([0, true]);
});

test('retention: what is missing is filled in, Infinity is legal, the rest is refused by name', () => {
  const defaults = { maxEvents: 1, maxBytes: 2, maxAgeMs: 3000 };
  const infinite = Number.POSITIVE_INFINITY;
  const unbounded = { maxEvents: infinite, maxBytes: infinite, maxAgeMs: infinite };
  expect(toRetention(unbounded, 'retention', defaults)).toEqual(unbounded);
  expect(toRetention({ maxBytes: infinite, maxEvents: undefined }, 'retention', defaults)).toEqual({
    ...defaults,
    maxBytes: infinite,
  });
  for (const bad of [{ maxEvents: 0 }, { maxBytes: 1.5 }, { maxAgeMs: 999 }, { maxAge: 1 }, [], 7]) {
    expect(() => toRetention(bad, 'retention', defaults)).toThrow(/retention/);
  }
});

test('a newer format is refused with CONFLICT and a hint; an older one is to be migrated', () => {
  expect([checkStoreFormat(1, 2, 'the store'), checkStoreFormat(2, 2, 'the store')]).toEqual([true, false]);
  expect(() => checkStoreFormat(3, 2, 'the file ./bus.db')).toThrow(
    expect.objectContaining({
      code: 'CONFLICT',
      message: 'the file ./bus.db has format 3, this version knows formats up to 2',
      hint: expect.stringContaining('update'),
    }),
  );
  const [one, other] = [newStoreHeader(1), newStoreHeader(1)];
  expect([one.format, one.incarnation === other.incarnation]).toEqual([1, false]);
});

test('bytes of any length are the same after base64, and equal to the base64 of Node', () => {
  for (const length of [0, 1, 2, 3, 8191, 8192, 20_000]) {
    const bytes = Uint8Array.from({ length }, (_, index) => index * 7);
    expect(toBase64(bytes)).toBe(Buffer.from(bytes).toString('base64'));
    expect(fromBase64(toBase64(bytes))).toEqual(bytes);
  }
});

test('an exported event is prepared again, also from a file, where null stands for undefined', () => {
  const message = { ...completeMessage({ body: Uint8Array.of(1, 2) }), topic: 'news' };
  const { delayMs, ttlMs, maxAttempts, ...event } = message;
  const record = toExportedEvent(event);
  expect(record).toMatchObject({ state: 'ready', attempts: 0, bodyBase64: 'AQI=', delayLeftMs: undefined });
  expect(fromExportedMessage(record)).toEqual(message);
  const nulls = { delayLeftMs: null, ttlLeftMs: null, maxAttempts: null };
  expect(fromExportedMessage({ ...record, ...nulls } as never)).toEqual(message);
});

test('opening waits for a server that is away only as long as it is told, and for nothing else', async () => {
  let attempts = 0;
  const openAfter = (failures: number, code: 'UNAVAILABLE' | 'PERMISSION_DENIED') => async (): Promise<string> => {
    attempts += 1;
    if (attempts <= failures) throw new BusbarError(code, 'the server cannot be reached');
    return 'open';
  };
  await expect(waitForServer(openAfter(1, 'UNAVAILABLE'), 0)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  expect(attempts).toBe(1);
  attempts = 0;
  expect(await waitForServer(openAfter(3, 'UNAVAILABLE'), 60_000)).toBe('open');
  attempts = 0;
  await expect(waitForServer(openAfter(99, 'UNAVAILABLE'), 60)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  expect(attempts).toBeGreaterThan(1);
  attempts = 0;
  await expect(waitForServer(openAfter(1, 'PERMISSION_DENIED'), 60_000)).rejects.toMatchObject({
    code: 'PERMISSION_DENIED',
  });
  expect(attempts).toBe(1);
});
