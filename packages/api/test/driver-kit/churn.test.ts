// Maps and sets whose entries come and go quickly.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { ChurnMap, ChurnSet } from '../../src/driver-kit/churn.ts';

test('a map keeps what is not deleted, over many deletions', () => {
  const map = new ChurnMap<number, string>();
  for (let index = 0; index < 10_000; index += 1) {
    map.set(index, `value ${index}`);
    if (index >= 3) expect(map.delete(index - 3)).toBe(true);
  }
  expect(map.delete(0)).toBe(false);
  expect([...map]).toEqual([9_997, 9_998, 9_999].map((index) => [index, `value ${index}`]));
  expect([map.size, map.get(9_998), map.has(0)]).toEqual([3, 'value 9998', false]);
  map.clear();
  expect(map.values()).toEqual([]);
});

test('a set can be changed while it is iterated', () => {
  const set = new ChurnSet<number>();
  for (let index = 0; index < 3_000; index += 1) set.add(index);
  const seen: number[] = [];
  for (const item of set) {
    seen.push(item);
    set.delete(item);
    set.add(-1);
  }
  expect(seen.length).toBe(3_000);
  expect([...set]).toEqual([-1]);
});

test('entries that were deleted are freed without a full garbage collection', () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const map = new ChurnMap<number, number[]>();
  const run = (from: number, to: number): void => {
    for (let index = from; index < to; index += 1) {
      map.set(index, new Array<number>(100).fill(index));
      map.delete(index - 64);
    }
  };
  run(0, 2_000);
  collect();
  const before = process.memoryUsage().heapUsed;
  let most = 0;
  for (let from = 2_000; from < 150_000; from += 2_000) {
    run(from, from + 2_000);
    most = Math.max(most, process.memoryUsage().heapUsed - before);
  }
  // A Map has 60 MB more at some time.
  expect(most).toBeLessThan(36_000_000);
});
