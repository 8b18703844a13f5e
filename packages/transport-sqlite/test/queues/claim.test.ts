/** Several receives of one process in the same turn. */

import { tempDir } from '@busbar/testbed';
import { expect, test } from 'vitest';
import { openSqlite } from '../../src/index.ts';

test('claims that share a transaction lease no message without delivering it', async () => {
  await using folder = tempDir();
  await using transport = await openSqlite({ file: folder.join('bus.db') });
  const { queues, admin } = transport;
  const messages = Array.from({ length: 20 }, (_, n) => ({ body: new Uint8Array([n]) }));
  await queues.send('work', messages);
  const [one, , other, , late] = await Promise.all([
    queues.receive('work', { max: 3 }),
    queues.send('elsewhere', messages),
    queues.receive('work', { max: 3, waitMs: 1000 }),
    queues.send('work', messages),
    queues.receive('work', { max: 3, consumer: 'other' }),
  ]);
  const got = [one, other, late].flat();
  expect(got).toHaveLength(9);
  expect(new Set(got.map(({ id }) => id)).size).toBe(9);
  expect(await admin.queues({ names: ['work'] })).toMatchObject([{ leased: 9, ready: 31 }]);
});
