import { existsSync, statSync, writeFileSync } from 'node:fs';
import { spawnChild, tempDir } from '@busbar/testbed';
import { expect, test } from 'vitest';

test('a temporary folder is private and is removed with its content', async () => {
  const dir = tempDir('room');
  expect(statSync(dir.path).mode & 0o777).toBe(0o700);
  writeFileSync(dir.join('file'), 'x');
  await dir[Symbol.asyncDispose]();
  expect(existsSync(dir.path)).toBe(false);
});

test('a folder that is not disposed of is removed when the process exits', async () => {
  await using child = spawnChild({ file: new URL('./programs/leaves-folder.ts', import.meta.url) });
  const path = await child.next<string>();
  await child.exited;
  expect(path).toContain('left-behind');
  expect(existsSync(path)).toBe(false);
});
