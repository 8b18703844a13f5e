// Entries of settlements that are put after the settlements: of each key the last, and honest errors.
import { putEntries } from '@busbar/api/driver';
import { BusbarError, type KvPut } from '@busbar/api/transport';
import { expect, test } from 'vitest';

const toEntry = (key: string, byte: number): KvPut => ({ key, value: Uint8Array.of(byte) });

test('of each key the last entry is put', async () => {
  const put: KvPut[] = [];
  const entries = [toEntry('a', 1), toEntry('b', 2), toEntry('a', 3)];
  await putEntries(entries, async (entry) => void put.push(entry));
  expect(put.map(({ key, value }) => [key, value[0]])).toEqual([
    ['a', 3],
    ['b', 2],
  ]);
});

test('a put that fails rejects with an unknown outcome, after the others have ended', async () => {
  const ended: string[] = [];
  const putting = putEntries([toEntry('a', 1), toEntry('b', 2)], async ({ key }) => {
    if (key === 'a') throw new BusbarError('BACKPRESSURE', 'full', { hint: 'Make room.' });
    await Promise.resolve();
    ended.push(key);
  });
  await expect(putting).rejects.toMatchObject({ code: 'BACKPRESSURE', outcome: 'unknown', hint: 'Make room.' });
  expect(ended).toEqual(['b']);
});
