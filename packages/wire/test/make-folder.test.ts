import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { tempDir } from '@busbar/testbed';
import { expect, test } from 'vitest';
import { makeFolder } from '../src/index.ts';

test('creates the missing folders, for their owner only', async () => {
  await using dir = tempDir('busbar-folders');
  const folder = dir.join('a/b/c');
  makeFolder(folder);
  makeFolder(folder);
  for (const each of ['a', 'a/b', 'a/b/c']) expect(statSync(dir.join(each)).mode & 0o777).toBe(0o700);
});

test('throws where a file is in its place or above it', async () => {
  await using dir = tempDir('busbar-folders');
  writeFileSync(dir.join('file'), '');
  mkdirSync(dir.join('folder'));
  expect(() => makeFolder(dir.join('file'))).toThrow('EEXIST');
  expect(() => makeFolder(dir.join('file/below'))).toThrow('ENOTDIR');
});

test.runIf(process.platform === 'linux')('throws on a file system that takes no folder', () => {
  expect(() => makeFolder('/proc/no-such-folder/a')).toThrow('ENOENT');
});
