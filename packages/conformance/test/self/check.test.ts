import { BusbarError } from '@busbar/api';
import { Check } from '@busbar/conformance';
import { expect, test } from 'vitest';

test('small values are shown in full', () => {
  expect(() => new Check().equal([1, 2], [1, 3], 'the list')).toThrow('the list: expected [1,3], got [1,2]');
});

test('of large values the first difference is shown', () => {
  const list = (reason: string): unknown =>
    Array.from({ length: 50 }, (_, index) => ({ index, history: [{ reason }] }));
  expect(() => new Check().equal(list('a'), list('b'), 'letters')).toThrow(
    'letters: expected "b", got "a" at [0].history[0].reason',
  );
  const long = Array.from({ length: 100 }, (_, index) => index);
  expect(() => new Check().equal(long.slice(1, 90), long.slice(1), 'numbers')).toThrow(
    'expected 99, got 89 at .length',
  );
  expect(() => new Check().equal({ a: undefined }, {} as object, 'objects')).toThrow('objects');
});

test('numbers outside a range and NaN fail', () => {
  const check = new Check();
  check.between(2, 1, 3, 'two');
  expect(() => check.between(4, 1, 3, 'four')).toThrow('four: expected 1 to 3, got 4');
  expect(() => check.between(Number.NaN, 1, 3, 'none')).toThrow('none');
  expect(check.count).toBe(3);
});

test('a rejection must have the expected code', async () => {
  const check = new Check();
  const closed = new BusbarError('CLOSED', 'over');
  expect(await check.rejects(Promise.reject(closed), ['ABORTED', 'CLOSED'], 'a call')).toBe(closed);
  await expect(check.rejects(Promise.reject(closed), 'ABORTED', 'a call')).rejects.toThrow(
    'a call: expected ABORTED, got CLOSED (over)',
  );
  await expect(check.rejects(Promise.reject(new Error('odd')), 'ABORTED', 'a call')).rejects.toThrow('got Error: odd');
  await expect(check.rejects(async () => 1, 'ABORTED', 'a call')).rejects.toThrow('but it succeeded');
});
