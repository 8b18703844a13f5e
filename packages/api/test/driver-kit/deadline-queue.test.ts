/** Deadlines behind one timer. */

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Deadline, DeadlineQueue } from '../../src/driver-kit/deadline-queue.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function recorder(): { readonly fired: string[]; deadline(name: string): Deadline } {
  const fired: string[] = [];
  return { fired, deadline: (name) => new Deadline(() => fired.push(name)) };
}

test('a clock that stands still fires nothing, and each deadline then has the time left that it had', () => {
  const queue = new DeadlineQueue();
  const { fired, deadline } = recorder();
  const [soon, set] = [deadline('soon'), deadline('set meanwhile')];
  queue.setIn(soon, 30);
  vi.advanceTimersByTime(20);
  queue.pause();
  vi.advanceTimersByTime(1_000);
  queue.runDue();
  queue.setIn(set, 5);
  expect([fired, queue.msLeft(soon), queue.msLeft(set)]).toEqual([[], 10, 5]);
  vi.advanceTimersByTime(1_000);
  queue.resume();
  vi.advanceTimersByTime(5);
  expect(fired).toEqual(['set meanwhile']);
  vi.advanceTimersByTime(5);
  expect(fired).toEqual(['set meanwhile', 'soon']);
});

test('fires in the order of times, and of setting within one time', () => {
  const queue = new DeadlineQueue();
  const { fired, deadline } = recorder();
  for (const [name, ms] of [
    ['c', 30],
    ['a', 10],
    ['b', 20],
    ['a2', 10],
  ] as const)
    queue.setIn(deadline(name), ms);
  vi.advanceTimersByTime(20);
  expect(fired).toEqual(['a', 'a2', 'b']);
  vi.advanceTimersByTime(10);
  expect(fired).toEqual(['a', 'a2', 'b', 'c']);
  expect(queue.size).toBe(0);
});

test('a deadline that is set again or cancelled does not fire at its earlier time', () => {
  const queue = new DeadlineQueue();
  const { fired, deadline } = recorder();
  const [moved, cancelled] = [deadline('moved'), deadline('cancelled')];
  queue.setIn(moved, 10);
  queue.setIn(cancelled, 10);
  queue.setIn(moved, 50);
  queue.cancel(cancelled);
  expect([moved.at === queue.now + 50, cancelled.at]).toEqual([true, Number.POSITIVE_INFINITY]);
  vi.advanceTimersByTime(49);
  expect(fired).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(fired).toEqual(['moved']);
});

test('10,000 deadlines share one timer', () => {
  const queue = new DeadlineQueue();
  const { fired, deadline } = recorder();
  const all = Array.from({ length: 10_000 }, (_, index) => deadline(String(index)));
  for (const one of all) queue.setIn(one, 1000);
  expect(vi.getTimerCount()).toBe(1);
  for (const one of all.slice(1)) queue.cancel(one);
  vi.advanceTimersByTime(1000);
  expect(fired).toEqual(['0']);
  queue.clear();
  expect(vi.getTimerCount()).toBe(0);
});

test('goes by its own clock, whatever the timer does', () => {
  let now = 0;
  const queue = new DeadlineQueue({ clock: () => now });
  const { fired, deadline } = recorder();
  queue.set(deadline('due'), 100);
  queue.runDue();
  expect(fired).toEqual([]);
  now = 100;
  queue.runDue();
  expect(fired).toEqual(['due']);
});

test('a deadline may set itself again while it fires', () => {
  const queue = new DeadlineQueue();
  let count = 0;
  const tick = new Deadline(() => {
    count += 1;
    if (count < 3) queue.setIn(tick, 10);
  });
  queue.setIn(tick, 10);
  vi.advanceTimersByTime(100);
  expect(count).toBe(3);
});

test('Infinity is never', () => {
  const queue = new DeadlineQueue();
  const { deadline } = recorder();
  queue.setIn(deadline('never'), Number.POSITIVE_INFINITY);
  expect([queue.size, vi.getTimerCount()]).toEqual([0, 0]);
});

test('never keeps the process alive', () => {
  vi.useRealTimers();
  const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  const before = timers();
  const queue = new DeadlineQueue();
  const { deadline } = recorder();
  const one = deadline('one');
  queue.setIn(one, 60_000);
  expect(timers()).toBe(before);
  queue.setIn(one, 70_000);
  expect(timers()).toBe(before);
  queue.clear();
});
