/** Namespaces of one file are isolated, and any process maintains all of them. */

import { tempDir, waitFor } from '@busbar/testbed';
import { expect, test } from 'vitest';
import { openSqlite } from '../../src/index.ts';

const BODY = Uint8Array.of(1);

test('a namespace does not see another', async () => {
  await using folder = tempDir();
  const file = folder.join('bus.db');
  await using one = await openSqlite({ file, ns: 'a' });
  await using other = await openSqlite({ file, ns: 'a.b' });
  await one.queues.send('b.work', [{ body: BODY }]);
  await one.topics.publish('b.news', [{ body: BODY }]);
  await one.kv.put('b.key', BODY);
  const [held] = await one.queues.receive('b.work');
  expect(await other.admin.queues()).toEqual([]);
  expect(await other.admin.topics()).toEqual([]);
  expect(await other.kv.list('')).toEqual([]);
  const settled = await other.queues.settle([{ receipt: held?.receipt ?? '', action: 'ack' }]);
  expect(settled).toMatchObject([{ status: 'lease-lost' }]);
  await other.queues.send('b.work', [{ body: BODY }]);
  await other.admin.clear();
  expect(await one.admin.queues()).toMatchObject([{ name: 'b.work', leased: 1 }]);
  expect(await one.kv.get('b.key')).toBeDefined();
});

test('processes of other namespaces do the due work of a namespace without processes', async () => {
  await using folder = tempDir();
  const file = folder.join('bus.db');
  const gone = await openSqlite({ file, ns: 'gone' });
  await gone.queues.send('work', [
    { body: BODY, delayMs: 100 },
    { body: BODY, ttlMs: 100 },
  ]);
  await gone.close();
  await using waiting = await openSqlite({ file, ns: 'here' });
  const cancel = new AbortController();
  const received = waiting.queues.receive('work', { waitMs: 20_000, signal: cancel.signal }).catch(() => []);
  await using back = await openSqlite({ file, ns: 'gone' });
  await waitFor(async () => (await back.admin.queues())[0]?.totals.expired === 1, { what: 'the due work' });
  expect((await back.admin.queues())[0]).toMatchObject({ ready: 1, delayed: 0 });
  cancel.abort();
  expect(await received).toEqual([]);
});
