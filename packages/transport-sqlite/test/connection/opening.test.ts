/** Opens files: permissions, and files that are refused. */

import { mkdirSync, readFileSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type TempDir, tempDir } from '@busbar/testbed';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { openSqlite } from '../../src/index.ts';

const BODY = new TextEncoder().encode('{"text":"hello"}');

test('only its user can read what is made', async () => {
  await using folder = tempDir();
  const file = folder.join('deep', 'down', 'bus.db');
  await using transport = await openSqlite({ file });
  const waiting = transport.queues.receive('inbox', { waitMs: 10_000 });
  await transport.queues.send('inbox', [{ body: BODY }]);
  await waiting;
  const mode = (path: string): number => statSync(path).mode & 0o777;
  expect([file, `${file}-wal`, `${file}-shm`].map(mode)).toEqual([0o600, 0o600, 0o600]);
  expect([dirname(file), dirname(dirname(file)), `${file}.wakeup`].map(mode)).toEqual([0o700, 0o700, 0o700]);
});

test('closing leaves one file', async () => {
  await using folder = tempDir();
  const file = folder.join('bus.db');
  const transport = await openSqlite({ file });
  await transport.topics.subscribe('>', {}, () => undefined);
  await transport.close();
  expect(statSync(`${file}-wal`, { throwIfNoEntry: false })).toBeUndefined();
  expect(statSync(`${file}-shm`, { throwIfNoEntry: false })).toBeUndefined();
});

test.each<[string, string, (folder: TempDir, file: string) => void]>([
  ['a symbolic link', 'INVALID_ARGUMENT', (folder, file) => symlinkSync(folder.join('elsewhere.db'), file)],
  ['a link as its WAL', 'INVALID_ARGUMENT', (folder, file) => symlinkSync(folder.join('elsewhere'), `${file}-wal`)],
  ['a folder', 'INVALID_ARGUMENT', (_, file) => mkdirSync(file)],
  ['a text', 'INVALID_ARGUMENT', (_, file) => writeFileSync(file, 'Dear diary, '.repeat(1000))],
  ['the database of another program', 'CONFLICT', (_, file) => new Database(file).exec('CREATE TABLE t (x)').close()],
  ['a store of a newer format', 'CONFLICT', (_, file) => writeStore(file, 99)],
  ['a store of an unreleased format, without a header', 'CONFLICT', (_, file) => writeStore(file, 1)],
])('%s is refused and left as it is', async (_, code, prepare) => {
  await using folder = tempDir();
  const file = folder.join('bus.db');
  prepare(folder, file);
  const before = statSync(file, { throwIfNoEntry: false })?.isFile() === true ? readFileSync(file) : undefined;
  const error = await openSqlite({ file }).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code, hint: expect.any(String) });
  if (before !== undefined) expect(readFileSync(file).equals(before)).toBe(true);
});

test('a name that is too long is refused', async () => {
  await using folder = tempDir();
  const file = folder.join(`${'x'.repeat(300)}.db`);
  await expect(openSqlite({ file })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', hint: expect.any(String) });
});

test('a path through a file is refused', async () => {
  await using folder = tempDir();
  writeFileSync(folder.join('file'), '');
  await expect(openSqlite({ file: folder.join('file', 'bus.db') })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
});

test('a store that was cut short is refused', async () => {
  await using folder = tempDir();
  const file = await filled(folder);
  truncateSync(file, statSync(file).size / 2);
  await expect(readAll(file)).rejects.toMatchObject({ code: 'INTERNAL', hint: expect.stringContaining('backup') });
});

test('a body that the disk has changed is refused, not delivered', async () => {
  await using folder = tempDir();
  const file = await filled(folder);
  const bytes = readFileSync(file);
  writeFileSync(file, Buffer.from(bytes.toString('latin1').replaceAll('"text":"hello"', '"text":"jello"'), 'latin1'));
  await expect(readAll(file)).rejects.toMatchObject({ code: 'INTERNAL', message: expect.stringContaining('damaged') });
});

test('a store whose file went away is a new one', async () => {
  await using folder = tempDir();
  const file = await filled(folder);
  rmSync(file);
  expect(await readAll(file)).toHaveLength(0);
});

function writeStore(file: string, format: number): void {
  const db = new Database(file);
  db.pragma(`application_id = ${0x42757342}`);
  db.pragma(`user_version = ${format}`);
  db.exec('CREATE TABLE other (x)');
  db.close();
}

async function filled(folder: TempDir): Promise<string> {
  const file = folder.join('bus.db');
  await using transport = await openSqlite({ file });
  await transport.queues.send(
    'inbox',
    Array.from({ length: 200 }, () => ({ body: BODY })),
  );
  return file;
}

async function readAll(file: string): Promise<unknown[]> {
  await using transport = await openSqlite({ file });
  return await transport.queues.receive('inbox', { max: 1000 });
}
