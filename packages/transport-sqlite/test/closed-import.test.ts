/** Imports into a closed store, whose clock stands still. */

import type { StateRecord } from '@busbar/api/transport';
import { tempDir } from '@busbar/testbed';
import Sqlite from 'better-sqlite3';
import { expect, test } from 'vitest';
import { openSqlite } from '../src/index.ts';

const COUNT = 5_000;

function* events(): Generator<StateRecord> {
  for (let index = 0; index < COUNT; index += 1) {
    const message = { id: `e${index}`, contentType: 'text/plain', headers: {}, priority: 4, hops: 0, sentAt: 1 };
    const past = { state: 'ready', attempts: 0, history: [], dead: undefined } as const;
    const bounds = { delayLeftMs: undefined, ttlLeftMs: undefined, ttlMs: undefined, maxAttempts: undefined };
    const fields = { type: undefined, from: undefined, to: undefined, topic: 'news', replyTo: undefined };
    const ids = { orderingKey: undefined, correlationId: undefined, causationId: undefined };
    yield {
      kind: 'event',
      topic: 'news',
      message: { ...past, ...bounds, bodyBase64: 'AQ==', message: { ...message, ...fields, ...ids } },
    };
  }
}

test('more ids than one millisecond has room for are imported, and known', async () => {
  await using dir = tempDir('busbar-sqlite');
  await using transport = await openSqlite({ file: dir.join('bus.db') });
  const { admin, topics } = transport;
  const { revision } = await admin.setGate('closed', { ifRevision: 0 });
  expect(await admin.importState(events(), { gateRevision: revision })).toBe(COUNT);
  await admin.setGate('open', { ifRevision: revision });
  for (const id of ['e0', `e${COUNT - 1}`]) {
    expect(await topics.publish('news', [{ id, body: Buffer.from('x') }])).toMatchObject([{ status: 'duplicate' }]);
  }
});

test('ids whose windows end a second apart are imported', async () => {
  await using dir = tempDir('busbar-sqlite');
  await using transport = await openSqlite({ file: dir.join('bus.db') });
  const { revision } = await transport.admin.setGate('closed', { ifRevision: 0 });
  const records = [61_000, 61_000, 60_000, 60_000].map((leftMs, index): StateRecord => {
    return { kind: 'dedupe', queue: 'work', id: `m${index}`, leftMs };
  });
  expect(await transport.admin.importState(records, { gateRevision: revision })).toBe(4);
});

test('ids of one window, enough for fifty milliseconds, are imported, and expire soon after it', async () => {
  await using dir = tempDir('busbar-sqlite');
  const file = dir.join('bus.db');
  const count = 210_000;
  function* ids(): Generator<StateRecord> {
    for (let index = 0; index < count; index += 1) yield { kind: 'dedupe', queue: 'work', id: `m${index}`, leftMs: 1 };
  }
  await using transport = await openSqlite({ file });
  const { revision } = await transport.admin.setGate('closed', { ifRevision: 0 });
  expect(await transport.admin.importState(ids(), { gateRevision: revision })).toBe(count);
  const database = new Sqlite(file, { readonly: true });
  const rows = database.prepare('SELECT max(n) - min(n) FROM dedupe_expiry').pluck().get();
  database.close();
  expect(rows).toBeLessThan(2 * count);
});
