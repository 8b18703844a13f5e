/** Calls of one turn, merged. */

import { expect, test } from 'vitest';
import { TickBatcher } from '../../src/driver-kit/tick-batcher.ts';

interface Run {
  readonly key: string;
  readonly items: readonly string[];
  readonly deadline: number;
}

function recorder(): {
  readonly runs: Run[];
  run(key: string, items: readonly string[], deadline: number): Promise<string[]>;
} {
  const runs: Run[] = [];
  return {
    runs,
    run: async (key, items, deadline) => {
      runs.push({ key, items: [...items], deadline });
      return items.map((item) => item.toUpperCase());
    },
  };
}

test('calls of one turn with one key are one batch, with the latest deadline, and each gets its own results', async () => {
  const { runs, run } = recorder();
  const batcher = new TickBatcher({ run });
  const results = await Promise.all([
    batcher.call('q', ['a', 'b'], 10),
    batcher.call('other', ['x'], 1),
    batcher.call('q', ['c'], 20),
  ]);
  expect(results).toEqual([['A', 'B'], ['X'], ['C']]);
  expect(runs).toEqual([
    { key: 'q', items: ['a', 'b', 'c'], deadline: 20 },
    { key: 'other', items: ['x'], deadline: 1 },
  ]);
  await batcher.call('q', ['d'], 30);
  expect(runs).toHaveLength(3);
});

test('splits by count and by size, between calls only', async () => {
  const { runs, run } = recorder();
  const batcher = new TickBatcher({ run, maxItems: 3, maxSize: 10, sizeOf: (item: string) => item.length });
  await Promise.all(
    [['a', 'b'], ['c', 'd'], ['123456789'], ['e', 'f'], ['g', 'h', 'i', 'j']].map((items) => batcher.call('q', items)),
  );
  expect(runs.map(({ items }) => items.join(''))).toEqual(['ab', 'cd', '123456789', 'ef', 'ghij']);
});

test('a batch that fails rejects its calls and no others; the items of a call are not changed', async () => {
  const given = ['a'];
  const batcher = new TickBatcher<string, string>({
    run: async (key, items) => {
      if (key === 'bad') throw new Error('no');
      return items;
    },
  });
  const settled = await Promise.allSettled([
    batcher.call('bad', ['x']),
    batcher.call('good', given),
    batcher.call('good', ['b']),
  ]);
  expect(settled.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled']);
  expect(given).toEqual(['a']);
});

test('schedule decides when a turn is over', async () => {
  const { runs, run } = recorder();
  const flushes: (() => void)[] = [];
  const batcher = new TickBatcher({ run, schedule: (flush) => flushes.push(flush) });
  const first = batcher.call('q', ['a']);
  await Promise.resolve();
  const second = batcher.call('q', ['b']);
  expect(flushes).toHaveLength(1);
  flushes[0]?.();
  expect(await Promise.all([first, second])).toEqual([['A'], ['B']]);
  expect(runs).toHaveLength(1);
});

test('a call behind a seal begins a batch of its own', async () => {
  const { runs, run } = recorder();
  const batcher = new TickBatcher({ run });
  const first = batcher.call('q', ['a']);
  batcher.seal();
  await Promise.all([first, batcher.call('q', ['b'])]);
  expect(runs.map(({ items }) => items)).toEqual([['a'], ['b']]);
});

test('the second half of the callers waits as long as stagger says', async () => {
  const { run } = recorder();
  const later = Promise.withResolvers<void>();
  const sizes: number[] = [];
  const stagger = (items: number): Promise<void> | undefined => {
    sizes.push(items);
    return items > 1 ? later.promise : undefined;
  };
  const batcher = new TickBatcher({ run, stagger });
  const ended: string[] = [];
  const calls = ['a', 'b', 'c', 'd'].map(async (item) => ended.push(...(await batcher.call('q', [item]))));
  await Promise.all(calls.slice(0, 2));
  await batcher.call('q', ['e']);
  expect(ended).toEqual(['A', 'B']);
  later.resolve();
  await Promise.all(calls);
  expect(ended).toEqual(['A', 'B', 'C', 'D']);
  expect(sizes).toEqual([4, 1]);
});
