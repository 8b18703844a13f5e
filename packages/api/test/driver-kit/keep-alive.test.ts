import { expect, test, vi } from 'vitest';
import { KeepAlive, keepAliveDuring } from '../../src/driver-kit/keep-alive.ts';

const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;

test('keeps the process alive until each hold is released', () => {
  const before = timers();
  const alive = new KeepAlive();
  alive.hold();
  alive.hold();
  expect(timers()).toBe(before + 1);
  alive.release();
  expect(timers()).toBe(before + 1);
  alive.release();
  expect(timers()).toBe(before);
  alive.hold();
  expect(timers()).toBe(before + 1);
  alive.close();
  alive.release();
  expect(timers()).toBe(before);
});

test('holds nothing after its close: a timer would be left', () => {
  const setInterval = vi.spyOn(globalThis, 'setInterval');
  const alive = new KeepAlive();
  alive.close();
  alive.hold();
  alive.release();
  expect(setInterval).not.toHaveBeenCalled();
  setInterval.mockRestore();
});

test('keeps the process alive until work has settled, also when it rejects', async () => {
  const before = timers();
  const { promise, reject } = Promise.withResolvers<void>();
  const kept = keepAliveDuring(promise);
  expect(timers()).toBe(before + 1);
  reject(new Error('no'));
  await expect(kept).rejects.toThrow('no');
  expect(timers()).toBe(before);
});
