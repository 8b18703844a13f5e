// What `doctor --fix` may change: files and folders of this user, and nothing behind a link.
import { chmodSync, linkSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tempDir } from '@busbar/testbed';
import { expect, test } from 'vitest';
import { checkStoreFiles } from '../src/cli/doctor/file-checks.ts';

const modeOf = (path: string): number => statSync(path).mode & 0o7777;

function fix(file: string): string[] {
  const findings = checkStoreFiles(`sqlite:${file}`);
  for (const { mend } of findings) mend?.();
  return findings.map(({ status, check }) => `${status} ${check}`);
}

test('it closes the files of the store, and no others', async () => {
  await using folder = tempDir();
  const names = ['bus.db', 'bus.db-wal', 'bus.db.wakeup', 'bus.db-copy', 'bus.db2', 'other'];
  for (const name of names) writeFileSync(folder.join(name), 'x');
  for (const name of names) chmodSync(folder.join(name), 0o644);
  symlinkSync(folder.join('other'), folder.join('bus.db-shm'));
  linkSync(folder.join('bus.db2'), folder.join('bus.db-journal'));
  fix(folder.join('bus.db'));
  expect(names.map((name) => [name, modeOf(folder.join(name)).toString(8)])).toEqual([
    ['bus.db', '600'],
    ['bus.db-wal', '600'],
    ['bus.db.wakeup', '600'],
    ['bus.db-copy', '644'],
    ['bus.db2', '644'],
    ['other', '644'],
  ]);
  expect(readFileSync(folder.join('other'), 'utf8')).toBe('x');
});

test('a folder that others may write to is closed, but not one that is sticky or behind a link', async () => {
  await using folder = tempDir();
  const modes = { open: 0o777, sticky: 0o1777, target: 0o777 } as const;
  for (const [name, mode] of Object.entries(modes)) {
    mkdirSync(folder.join(name));
    chmodSync(folder.join(name), mode);
    writeFileSync(folder.join(name, 'bus.db'), '', { mode: 0o600 });
  }
  symlinkSync(folder.join('target'), folder.join('link'));
  expect(fix(folder.join('open', 'bus.db'))).toContain('warn folder');
  expect(fix(folder.join('sticky', 'bus.db'))).toContain('ok folder');
  expect(fix(folder.join('link', 'bus.db'))).toContain('warn folder');
  expect(Object.keys(modes).map((name) => modeOf(folder.join(name)).toString(8))).toEqual(['755', '1777', '777']);
});
