/** The store is readable with a SQLite shell, and bodies come back bit for bit. */

import { readFileSync } from 'node:fs';
import { tempDir } from '@busbar/testbed';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { propertySeed } from '../../../../test/property-seed.ts';
import { openSqlite } from '../../src/index.ts';
import { toBytes, toStored } from '../../src/queues/stored-message.ts';

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

test('every body comes back bit for bit', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.string({ unit: 'binary', maxLength: 200 }).map(encode),
    fc.constantFrom(...['', '\uFEFFbom', 'a\0b', '\u{10FFFF}', '{"a":1}'].map(encode)),
  );
  fc.assert(
    fc.property(bytes, (body) => {
      const stored = toStored(body);
      const back = typeof stored === 'string' ? toBytes(stored) : toBytes(Buffer.from(stored));
      expect(Buffer.from(back).equals(body)).toBe(true);
    }),
    propertySeed,
  );
});

test('text is stored as text, other bodies as blobs, and all are received unchanged', async () => {
  await using folder = tempDir();
  const file = folder.join('bus.db');
  const bodies = [encode('{"text":"grüße"}'), Uint8Array.of(0xff, 0xfe), encode('nul\0'), new Uint8Array(0)];
  await using transport = await openSqlite({ file });
  await transport.queues.send(
    'inbox',
    bodies.map((body) => ({ body })),
  );
  const db = new Database(file, { readonly: true });
  const rows = db.prepare('SELECT typeof(body) FROM pending_messages').pluck().all();
  db.close();
  expect(rows).toEqual(['text', 'blob', 'blob', 'text']);
  const got = await transport.queues.receive('inbox', { max: 10 });
  expect(got.map(({ body }) => body)).toEqual(bodies);
});

test('the queries of the README return rows', async () => {
  await using folder = tempDir();
  const file = folder.join('bus.db');
  await using transport = await openSqlite({ file });
  const { queues, topics, kv } = transport;
  const mail = { body: encode('{"token":"abc"}'), type: 'validate_token', from: '@backend', to: '@service.auth' };
  await queues.send('$inbox.@service.auth', [
    mail,
    { ...mail, delayMs: 60_000 },
    { ...mail, orderingKey: 'k' },
    { ...mail, orderingKey: 'k' },
  ]);
  await queues.send('work', [{ id: 'poison', body: encode('bad') }]);
  const [poison] = await queues.receive('work');
  await queues.settle([{ receipt: poison?.receipt ?? '', action: 'reject', reason: 'no such thing' }]);
  await queues.receive('$inbox.@service.auth', { consumer: 'one' });
  await topics.publish('user.login', [{ body: encode('{"userId":123}') }]);
  for (const name of ['@service.auth', '@asleep', '@team/a']) await kv.put(`$agent/${name}`, encode('{}'));
  for (const key of ['@service.auth/1', '@service.auth/2', '@team/a/1'])
    await kv.put(`$live/${key}`, encode('{}'), { ttlMs: 60_000 });
  const answers = ask(file);
  expect(answers).toHaveLength(6);
  expect(answers[0]).toEqual([
    { queue: '$inbox.@service.auth', state: 'blocked', count: 1 },
    { queue: '$inbox.@service.auth', state: 'delayed', count: 1 },
    { queue: '$inbox.@service.auth', state: 'leased', count: 1 },
    { queue: '$inbox.@service.auth', state: 'ready', count: 1 },
  ]);
  expect(answers[1]).toHaveLength(4);
  expect(answers[1]?.[0]).toMatchObject({ type: 'validate_token', sender: '@backend', body: '{"token":"abc"}' });
  expect(answers[2]).toEqual([
    { agent: '@service.auth', online: 2 },
    { agent: '@team/a', online: 1 },
  ]);
  expect(answers[3]).toMatchObject([
    { queue: 'work', id: 'poison', reason: 'no such thing', attempts: 1, body: 'bad' },
  ]);
  expect(answers[4]).toHaveLength(3);
  expect(answers[5]).toMatchObject([{ topic: 'user.login', body: '{"userId":123}' }]);
});

/** The rows of each query of the README, over a read-only connection. */
function ask(file: string): Record<string, unknown>[][] {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const sql = /```sql\n(.*?)```/s.exec(readme)?.[1] ?? '';
  const queries = sql.split(';').filter((query) => query.trim() !== '');
  const db = new Database(file, { readonly: true, fileMustExist: true });
  const answers = queries.map((query) => db.prepare(query.replace('count(*)', 'count(*) AS count')).all());
  db.close();
  return answers as Record<string, unknown>[][];
}
