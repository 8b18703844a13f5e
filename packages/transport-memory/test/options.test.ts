/** Options and URLs of the memory transport, bad ones above all. */

import { isBusbarError } from '@busbar/api';
import { expect, test } from 'vitest';
import { openMemory, parseMemoryUrl } from '../src/index.ts';

test.each([
  ['memory:', { name: 'default' }],
  ['memory:team%20a?ns=x&maxLength=7', { name: 'team a', ns: 'x', maxLength: 7 }],
  [
    'memory:?maxAgeMs=7d&maxBytes=1MiB&maxEvents=Infinity&topicDedupeMs=5m',
    {
      name: 'default',
      retention: { maxAgeMs: 604_800_000, maxBytes: 1_048_576, maxEvents: Number.POSITIVE_INFINITY },
      topicDedupeMs: 300_000,
    },
  ],
])('%s is read', (url, options) => expect(parseMemoryUrl(url)).toEqual(options));

test.each([
  'memory:?maxLength=0',
  'memory:?maxLength=ten',
  'memory:?ns=a%20b',
  'memory:?maxAgeMs=7weeks',
  'memory:?maxLength=',
  'memory:?colour=red',
  'memory:?ns=a&ns=b',
  'memory:?ns=',
  `memory:?ns=${'x'.repeat(65)}`,
  'memory:%',
  'memory:a#b',
  'memory:?name=a',
  'memory:?__proto__=1',
  'sqlite:x',
])('%s is refused with a hint', (url) => {
  try {
    parseMemoryUrl(url);
  } catch (error) {
    expect(isBusbarError(error) && error.code === 'INVALID_ARGUMENT' && error.hint !== undefined).toBe(true);
    return;
  }
  expect.unreachable('it was taken');
});

test.each([
  { maxLength: 1.5 },
  { retention: { maxEvents: Number.NaN } },
  { maxEvents: 7 },
  { maxBodyBytes: 1 },
  { name: 7 },
  { what: 1 },
  [],
  'x',
])('options %j are refused', async (options) => {
  await expect(openMemory(options as object)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
});

test('transports of one name share a store, and it goes with the last', async () => {
  const [first, second] = [await openMemory({ name: 'shared' }), await openMemory({ name: 'shared' })];
  const apart = await openMemory({ name: 'shared', ns: 'apart' });
  await first.queues.send('q', [{ body: new Uint8Array([1]) }]);
  expect(await apart.queues.receive('q')).toEqual([]);
  expect((await second.queues.receive('q')).length).toBe(1);
  await Promise.all([first.close(), second.close(), apart.close()]);
  await using again = await openMemory({ name: 'shared' });
  expect(await again.admin.queues()).toEqual([]);
});
