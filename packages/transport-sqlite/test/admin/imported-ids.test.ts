/** Imports of many remembered ids, whose windows end at nearly the same time. */

import type { StateRecord } from '@busbar/api/transport';
import { tempDir } from '@busbar/testbed';
import { expect, test } from 'vitest';
import { openSqlite } from '../../src/index.ts';

test('ids whose windows end within a second, in any order', async () => {
  await using folder = tempDir();
  await using transport = await openSqlite({ file: folder.join('bus.db') });
  // A later end first: rows of an earlier end go behind it, up to the last place that it looks at.
  const records = [61_000, 61_000, 60_000, 60_999, 60_001, 62_000, 61_000].map(
    (leftMs, index): StateRecord => ({ kind: 'dedupe', queue: 'work', id: `id-${index}`, leftMs }),
  );
  expect(await transport.admin.importState(records)).toBe(records.length);
  const body = Buffer.from('x');
  const sent = await transport.queues.send(
    'work',
    records.map((_, index) => ({ id: `id-${index}`, body })),
  );
  expect(new Set(sent.map(({ status }) => status))).toEqual(new Set(['duplicate']));
});
