/** Files and folders of other users, and links: none is used, also by root. */

import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { type TempDir, tempDir } from '@busbar/testbed';
import { describe, expect, test, vi } from 'vitest';
import { openSqlite } from '../../src/index.ts';

const BODY = new TextEncoder().encode('hello');
const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

type Prepare = (file: string, folder: TempDir) => void;

test.each<[string, Prepare]>([
  ['a folder that every user can write to', (_, folder) => chmodSync(folder.path, 0o777)],
  ['a link as the folder of wake-up files', (file, folder) => symlinkSync(folder.path, `${file}.wakeup`)],
  ['a folder of wake-up files that every user can write to', (file) => makeFolder(`${file}.wakeup`, 0o777)],
])('%s is refused', async (_, prepare) => {
  await using folder = tempDir();
  const file = folder.join('bus.db');
  prepare(file, folder);
  await expect(openSqlite({ file })).rejects.toMatchObject({
    code: 'PERMISSION_DENIED',
    hint: expect.any(String),
    message: expect.stringContaining(folder.path),
  });
});

test('a folder where each user can remove own files only is used', async () => {
  await using folder = tempDir();
  chmodSync(folder.path, 0o1777);
  await using transport = await openSqlite({ file: folder.join('bus.db') });
  expect(await transport.queues.send('jobs', [{ body: BODY }])).toMatchObject([{ status: 'stored' }]);
});

test('a file with a second name is refused', async () => {
  await using folder = tempDir();
  const file = folder.join('bus.db');
  await (await openSqlite({ file })).close();
  linkSync(file, folder.join('second.db'));
  await expect(openSqlite({ file })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
});

test('a wake-up follows no link', async () => {
  await using folder = tempDir();
  const [file, victim] = [folder.join('bus.db'), folder.join('victim')];
  writeFileSync(victim, 'precious');
  await using waiter = await openSqlite({ file });
  await using sender = await openSqlite({ file });
  const waiting = waiter.queues.receive('jobs', { waitMs: 20_000 });
  await vi.waitFor(() => expect(readdirSync(`${file}.wakeup`)).toHaveLength(1));
  const [name = ''] = readdirSync(`${file}.wakeup`);
  rmSync(`${file}.wakeup/${name}`);
  symlinkSync(victim, `${file}.wakeup/${name}`);
  await sender.queues.send('jobs', [{ body: BODY }]);
  expect(await waiting).toHaveLength(1);
  expect(readFileSync(victim, 'utf8')).toBe('precious');
});

describe.skipIf(!isRoot)('for root', () => {
  test.each<[string, Prepare]>([
    ['the file', (file) => writeFileSync(file, '')],
    ['the log', (file) => writeFileSync(`${file}-wal`, '')],
    ['the index', (file) => writeFileSync(`${file}-shm`, '')],
    ['the folder of wake-up files', (file) => mkdirSync(`${file}.wakeup`)],
  ])('%s of another user is refused', async (_, prepare) => {
    await using folder = tempDir();
    const file = folder.join('bus.db');
    prepare(file, folder);
    const [made = ''] = readdirSync(folder.path);
    chmodSync(folder.join(made), made.endsWith('.wakeup') ? 0o700 : 0o666);
    chownSync(folder.join(made), NOBODY, NOBODY);
    await expect(openSqlite({ file })).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
      message: expect.stringContaining(`"${folder.join(made)}" belongs to another user (uid ${NOBODY}`),
    });
    expect(readdirSync(folder.path)).toEqual([made]);
  });

  test('a folder of another user is refused', async () => {
    await using folder = tempDir();
    chownSync(folder.path, NOBODY, NOBODY);
    await expect(openSqlite({ file: folder.join('bus.db') })).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
  });

  test('a file of another user in the place of an open store is refused', async () => {
    await using folder = tempDir();
    const file = folder.join('bus.db');
    await using transport = await openSqlite({ file });
    rmSync(file);
    writeFileSync(file, '');
    chownSync(file, NOBODY, NOBODY);
    await expect(transport.queues.send('jobs', [{ body: BODY }])).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
  });
});

function makeFolder(path: string, mode: number): void {
  mkdirSync(path);
  chmodSync(path, mode);
}
