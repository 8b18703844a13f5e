/** Shared transactions: no call fails because of another, and a full disk acknowledges nothing. */

import { openTransport } from '@busbar/api/driver';
import { type TempDir, tempDir } from '@busbar/testbed';
import { expect, test } from 'vitest';
import { Batcher } from '../../src/connection/batcher.ts';
import { openDatabase } from '../../src/connection/database.ts';
import { Store } from '../../src/connection/store.ts';
import { toSettings } from '../../src/options.ts';
import { SqliteDriver } from '../../src/sqlite-driver.ts';
import { CommitNotifier } from '../../src/wakeup/notifier.ts';

const SILENT = new CommitNotifier();

test('the call that breaks a transaction fails alone, and the order of calls is kept', async () => {
  await using folder = tempDir();
  const store = await storeIn(folder);
  const batcher = new Batcher(store, SILENT);
  store.db.exec('CREATE TABLE t (n INTEGER PRIMARY KEY)');
  const put = (n: number): Promise<unknown> =>
    batcher.write(({ store: { sql } }) => sql.call(store, 'INSERT INTO t VALUES (?)').run(n));
  const results = await Promise.allSettled([put(1), put(2), put(1), put(3)]);
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
  expect(results[2]).toMatchObject({ reason: { code: 'INTERNAL', outcome: 'failed' } });
  expect(store.sql('SELECT n FROM t').all()).toEqual([[1], [2], [3]]);
  batcher.close();
  store.db.close();
});

test('a full disk rejects with BACKPRESSURE, keeps acknowledged messages, and accepts more once there is room', async () => {
  await using folder = tempDir();
  const store = await storeIn(folder);
  await using transport = openTransport(new SqliteDriver(store));
  const pages = store.value('PRAGMA page_count') as number;
  store.db.pragma(`max_page_count = ${pages + 40}`);
  const body = new Uint8Array(2000).fill(65);
  const outcomes = await Promise.all(
    Array.from({ length: 100 }, (_, n) =>
      transport.queues.send('work', [{ id: `m${n}`, body }]).then(
        () => 'stored',
        (error: { code: string; outcome: string }) => `${error.code} ${error.outcome}`,
      ),
    ),
  );
  expect(new Set(outcomes)).toEqual(new Set(['stored', 'BACKPRESSURE failed']));
  store.db.pragma('max_page_count = 1000000');
  const [queue] = await transport.admin.queues({ names: ['work'] });
  const stored = outcomes.filter((outcome) => outcome === 'stored').length;
  expect(queue?.ready).toBe(stored);
  const got = await transport.queues.receive('work', { max: 200 });
  expect(got.map(({ id }) => outcomes[Number(id.slice(1))])).toEqual(new Array(stored).fill('stored'));
  expect(await transport.queues.send('work', [{ id: 'm99', body }])).toMatchObject([{ status: 'stored' }]);
});

test('sends of one turn take effect in order, even if one creates the queue that another needs', async () => {
  await using folder = tempDir();
  await using transport = openTransport(new SqliteDriver(await storeIn(folder)));
  const send = (id: string, create: boolean): Promise<unknown> =>
    transport.queues.send('work', [{ id, body: new Uint8Array(1) }], { create });
  const results = await Promise.allSettled([send('0', false), send('1', true), send('2', false), send('3', true)]);
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled', 'fulfilled']);
  const got = await transport.queues.receive('work', { max: 10 });
  expect(got.map(({ id }) => id)).toEqual(['1', '2', '3']);
});

test('a large batch yields to the event loop and to other calls', async () => {
  await using folder = tempDir();
  await using transport = openTransport(new SqliteDriver(await storeIn(folder)));
  const body = new Uint8Array(100);
  let turns = 0;
  let isDone = false;
  const count = (): void => {
    turns += 1;
    if (!isDone) setImmediate(count);
  };
  count();
  const order: string[] = [];
  const large = transport.queues
    .send(
      'work',
      Array.from({ length: 5000 }, () => ({ body })),
    )
    .then((results) => {
      order.push('large');
      return results;
    });
  await Promise.all([large, transport.kv.put('key', body).then(() => order.push('put'))]);
  isDone = true;
  expect(turns).toBeGreaterThanOrEqual(10);
  expect(await large).toHaveLength(5000);
});

async function storeIn(folder: TempDir): Promise<Store> {
  const settings = toSettings({ file: folder.join('bus.db') });
  return new Store(await openDatabase(settings), settings);
}
