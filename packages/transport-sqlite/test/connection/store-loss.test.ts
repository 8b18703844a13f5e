/** Files that are removed, replaced or restored while processes have them open. Cases X12 to X14 cover what every store does. */

import { cpSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { StoreReset, Transport } from '@busbar/api/transport';
import { tempDir } from '@busbar/testbed';
import Database from 'better-sqlite3';
import { expect, test, vi } from 'vitest';
import { openSqlite } from '../../src/index.ts';

const BODY = new TextEncoder().encode('hello');
const SOON = { timeout: 10_000, interval: 20 };

test.concurrent('a waiting process finds the store that another one makes after their folder was removed', async () => {
  await using folder = tempDir();
  const file = folder.join('bus', 'bus.db');
  await using waiter = await openSqlite({ file });
  const resets = resetsOf(waiter);
  const waiting = waiter.queues.receive('jobs', { waitMs: 20_000 });
  rmSync(dirname(file), { recursive: true });
  await using other = await openSqlite({ file });
  await other.queues.send('jobs', [{ body: BODY }]);
  expect(await waiting).toHaveLength(1);
  expect(resets).toEqual(['replaced']);
});

test.concurrent('a send that is acknowledged after the file was removed is in the store that is there then', async () => {
  await using folder = tempDir();
  const file = folder.join('bus.db');
  await using sender = await openSqlite({ file });
  await sender.queues.send('jobs', [{ id: 'lost', body: BODY }]);
  for (let round = 0; round < 5; round += 1) {
    rmSync(file);
    const [sent] = await sender.queues.send('jobs', [{ id: `m${round}`, body: BODY }]);
    expect(sent?.status).toBe('stored');
    await using other = await openSqlite({ file });
    expect((await other.queues.receive('jobs', { max: 9 })).map(({ id }) => id)).toEqual([`m${round}`]);
  }
});

test.concurrent('a folder whose parent is gone is not made again: calls say so, and go on when it is back', async () => {
  await using folder = tempDir();
  const file = folder.join('project', 'bus', 'bus.db');
  await using transport = await openSqlite({ file });
  const send = (): Promise<unknown> => transport.queues.send('jobs', [{ body: BODY }]);
  const got: string[] = [];
  await using _subscription = await transport.topics.subscribe('news', {}, (events) => {
    got.push(...events.map(({ id }) => id));
  });
  rmSync(folder.join('project'), { recursive: true });
  await expect(send()).rejects.toMatchObject({ code: 'UNAVAILABLE', hint: expect.stringContaining('folder') });
  await expect(transport.topics.publish('news', [{ body: BODY }])).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  expect(readdirSync(folder.path)).toEqual([]);
  mkdirSync(folder.join('project'));
  expect(await send()).toMatchObject([{ status: 'stored' }]);
  await transport.topics.publish('news', [{ id: 'later', body: BODY }]);
  await vi.waitFor(() => expect(got).toEqual(['later']), SOON);
});

test.concurrent('nothing is lost when only the log and its index are removed', async () => {
  await using folder = tempDir();
  const file = folder.join('bus.db');
  await using transport = await openSqlite({ file });
  const resets = resetsOf(transport);
  await transport.queues.send('jobs', [{ id: 'first', body: BODY }]);
  for (const each of ['-wal', '-shm']) rmSync(`${file}${each}`);
  await vi.waitFor(async () => {
    await transport.kv.put('key', BODY);
    expect(readdirSync(folder.path)).toContain('bus.db-wal');
  }, SOON);
  await transport.close();
  await using other = await openSqlite({ file });
  expect((await other.queues.receive('jobs')).map(({ id }) => id)).toEqual(['first']);
  expect(resets).toEqual([]);
});

test.concurrent('the log of an earlier file is not mixed with the one that took its place', async () => {
  await using folder = tempDir();
  const file = folder.join('bus.db');
  await using transport = await openSqlite({ file });
  await transport.queues.send('jobs', [{ id: 'old', body: BODY }]);
  await backUp(file, folder.join('saved.db'));
  await transport.queues.send('jobs', [{ id: 'later', body: BODY }]);
  renameSync(folder.join('saved.db'), file);
  const resets = resetsOf(transport);
  await vi.waitFor(() => expect(resets).toEqual(['rolled-back']), SOON);
  expect((await transport.queues.receive('jobs', { max: 9 })).map(({ id }) => id)).toEqual(['old']);
  await transport.close();
  expect(new Database(file).pragma('integrity_check', { simple: true })).toBe('ok');
});

test.concurrent('a backup that is copied over the open file is noticed', async () => {
  await using folder = tempDir();
  const file = folder.join('bus.db');
  await using transport = await openSqlite({ file });
  await transport.kv.put('key', Buffer.from('saved'));
  await backUp(file, folder.join('saved.db'));
  const values: (string | undefined)[] = [];
  await using _watch = await transport.kv.watch('key', (changes) => {
    for (const change of changes) if (change.kind === 'put') values.push(String(Buffer.from(change.entry.value)));
  });
  await transport.kv.put('key', Buffer.from('lost'));
  const db = new Database(file);
  db.pragma('wal_checkpoint(TRUNCATE)');
  db.close();
  const resets = resetsOf(transport);
  cpSync(folder.join('saved.db'), file);
  await vi.waitFor(() => expect(resets).toEqual(['rolled-back']), SOON);
  await vi.waitFor(() => expect(values.at(-1)).toBe('saved'), SOON);
});

test.concurrent('a backup that is restored while nobody has the store open is another copy of it', async () => {
  await using folder = tempDir();
  const file = folder.join('bus.db');
  const copyOf = async (): Promise<string | undefined> => {
    await using transport = await openSqlite({ file });
    return transport.past?.copy;
  };
  const first = await copyOf();
  expect(await copyOf()).toBe(first);
  cpSync(file, `${file}.saved`);
  // The new file often gets the number of the removed one.
  rmSync(file);
  cpSync(`${file}.saved`, file);
  expect(await copyOf()).not.toBe(first);
});

test.concurrent('events after a restore come after the positions that were lost', async () => {
  await using folder = tempDir();
  const file = folder.join('bus.db');
  await using transport = await openSqlite({ file });
  await transport.topics.publish('news', [{ id: 'first', body: BODY }]);
  await backUp(file, folder.join('saved.db'));
  const [lost] = await transport.topics.publish('news', [{ id: 'lost', body: BODY }]);
  await transport.close();
  renameSync(folder.join('saved.db'), file);
  await using restored = await openSqlite({ file });
  await restored.topics.publish('news', [{ id: 'next', body: BODY }]);
  const got: string[] = [];
  const after = lost?.position ?? '';
  await using _subscription = await restored.topics.subscribe(
    'news',
    { from: { after } },
    (events) => void got.push(...events.map(({ id }) => id)),
  );
  await vi.waitFor(() => expect(got).toEqual(['next']), SOON);
});

test.concurrent('processes find each other again after the folder of wake-up files was removed', async () => {
  await using folder = tempDir();
  const file = folder.join('bus.db');
  await using waiter = await openSqlite({ file });
  await using sender = await openSqlite({ file });
  const waiting = waiter.queues.receive('jobs', { waitMs: 20_000 });
  const registered = (): string[] => readdirSync(`${file}.wakeup`);
  await vi.waitFor(() => expect(registered()).toHaveLength(1), SOON);
  await sender.queues.send('other', [{ body: BODY }]);
  rmSync(`${file}.wakeup`, { recursive: true });
  await vi.waitFor(() => expect(registered()).toHaveLength(1), SOON);
  await sender.queues.send('jobs', [{ body: BODY }]);
  expect(await waiting).toHaveLength(1);
});

test.concurrent('clearing a namespace is a reset for its clients, and not for those of another', async () => {
  await using folder = tempDir();
  const file = folder.join('bus.db');
  const [one, same, other] = await Promise.all([
    openSqlite({ file, ns: 'a' }),
    openSqlite({ file, ns: 'a' }),
    openSqlite({ file, ns: 'b' }),
  ]);
  const resets = [one, same, other].map(resetsOf);
  await one.admin.clear();
  await vi.waitFor(() => expect(resets.slice(0, 2)).toEqual([['replaced'], ['replaced']]), SOON);
  await other.queues.send('jobs', [{ body: BODY }]);
  await one.queues.send('jobs', [{ body: BODY }]);
  await Promise.all([one, same, other].map((transport) => transport.close()));
  expect(resets).toEqual([['replaced'], ['replaced'], []]);
});

test.concurrent('what is stored while a namespace is being cleared stays', async () => {
  await using folder = tempDir();
  const file = folder.join('bus.db');
  await using clearing = await openSqlite({ file });
  await using living = await openSqlite({ file });
  const keys = Array.from({ length: 2_000 }, (_, index) => `key/${index}`);
  await Promise.all(keys.map((key) => clearing.kv.put(key, BODY)));
  await clearing.topics.publish(
    'news',
    Array.from({ length: 2_000 }, () => ({ body: BODY })),
  );
  const declared = new Promise<unknown>((resolve) => {
    living.onReset(() => {
      const all = [
        living.queues.configure('inbox'),
        living.kv.put('$live', BODY),
        living.topics.publish('news', [{ body: BODY }]),
      ];
      resolve(Promise.all(all));
    });
  });
  await Promise.all([clearing.admin.clear(), declared]);
  expect((await living.admin.queues()).map(({ name }) => name)).toEqual(['inbox']);
  expect((await living.kv.list('')).map(({ key }) => key)).toEqual(['$live']);
  expect(await living.admin.topics()).toEqual([{ name: 'news', events: 1 }]);
});

test.concurrent('a file of another program in the place of the store is not touched', async () => {
  await using folder = tempDir();
  const file = folder.join('bus.db');
  await using transport = await openSqlite({ file });
  rmSync(file);
  writeFileSync(file, 'Dear diary, '.repeat(1000));
  await expect(transport.queues.send('jobs', [{ body: BODY }])).rejects.toMatchObject({ hint: expect.any(String) });
});

function resetsOf(transport: Transport): StoreReset['cause'][] {
  const resets: StoreReset['cause'][] = [];
  transport.onReset(({ cause }) => void resets.push(cause));
  return resets;
}

async function backUp(file: string, to: string): Promise<void> {
  const db = new Database(file);
  db.prepare('VACUUM INTO ?').run(to);
  db.close();
}
