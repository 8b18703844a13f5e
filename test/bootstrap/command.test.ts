// The command of a clone, by a link from any folder.
import { spawnSync } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import { tempDir } from '@busbar/testbed';
import { expect, test } from 'vitest';
import { makeClone } from './clone.ts';

test('runs the pinned Node, and passes arguments and status through', async () => {
  await using clone = makeClone();
  await using folder = tempDir('a folder');
  await clone.run(['cli']);
  symlinkSync(`${clone.path}/scripts/busbar`, folder.join('busbar'));
  const { status, stdout } = busbar(folder.join('busbar'), 'two words', '7');
  expect(JSON.parse(stdout)).toMatchObject({ args: ['two words', '7'] });
  expect(status).toBe(7);
});

test('says what is missing before the installation', async () => {
  await using clone = makeClone();
  await using folder = tempDir('command');
  symlinkSync(`${clone.path}/scripts/busbar`, folder.join('busbar'));
  const { status, stderr } = busbar(folder.join('busbar'), 'version');
  expect(stderr).toMatch(/^busbar: there is no .*\/node_modules\/node\/bin\/node\. Run `npm ci` in .*\n$/);
  expect(status).toBe(1);
});

/** As a shell with nothing else set. */
function busbar(program: string, ...args: string[]) {
  return spawnSync(program, args, { encoding: 'utf8', env: { PATH: '/usr/bin:/bin' } });
}
