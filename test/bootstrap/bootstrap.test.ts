// Every task works right after `git clone`: missing packages are installed first, once.
import { existsSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive, waitFor } from '@busbar/testbed';
import { expect, test } from 'vitest';
import { makeClone } from './clone.ts';

test('installs what is missing, says so in one line, and passes arguments and status through', async () => {
  await using clone = makeClone();
  const { code, stdout, stderr } = await clone.run(['cli', 'PATH', '7']);
  expect(code).toBe(7);
  expect(JSON.parse(stdout)).toEqual({ args: ['PATH', '7'], options: '--conditions=@busbar/source' });
  expect(stderr).toMatch(/^busbar: installing dependencies with npm ci, because node_modules is missing .*\n$/);
  expect(clone.npmCalls()).toEqual(['ci', 'rebuild']);
});

test('does nothing when all is there', async () => {
  await using clone = makeClone();
  await clone.run(['cli']);
  const { stderr } = await clone.run(['cli'], { NPM_DOES: 'fail' });
  expect(stderr).toBe('');
  expect(clone.npmCalls()).toEqual(['ci', 'rebuild']);
});

test.each([
  ['a package', 'node_modules/left', 'left is missing'],
  ['the end of an installation', 'node_modules/.package-lock.json', 'an earlier installation did not finish'],
  ['the pinned Node', 'node_modules/node/bin/node', 'the pinned Node does not run'],
])('notices that %s is missing', async (_, file, reason) => {
  await using clone = makeClone();
  await clone.run(['cli']);
  rmSync(join(clone.path, file), { recursive: true });
  const { code, stderr } = await clone.run(['cli']);
  expect(stderr).toContain(`because ${reason}`);
  expect(code).toBe(0);
});

test('notices that the lockfile asks for another version', async () => {
  await using clone = makeClone();
  await clone.run(['cli']);
  const wanted = { packages: { 'node_modules/left': { version: '2.0.0', integrity: 'sha512-newer' } } };
  writeFileSync(join(clone.path, 'package-lock.json'), JSON.stringify(wanted));
  expect((await clone.run(['cli'])).stderr).toContain('because left is 1.0.0, not 2.0.0');
});

test('two commands at once install once; the second waits and says so', async () => {
  await using clone = makeClone();
  const outcomes = await Promise.all([clone.run(['cli', 'a']), clone.run(['cli', 'b'])]);
  expect(outcomes.map(({ code }) => code)).toEqual([0, 0]);
  const told = outcomes.map(({ stderr }) => stderr).join('');
  expect(told.match(/installing dependencies with/g)).toHaveLength(1);
  expect(clone.npmCalls()).toEqual(['ci', 'rebuild']);
});

test('after a killed installer, the next command waits for its npm and installs again', async () => {
  await using clone = makeClone();
  await using killed = clone.start(['cli'], { NPM_DOES: 'hang' });
  await waitFor(() => clone.npmCalls().length === 1, { what: 'npm to start' });
  const npmPid = await waitFor(() => workerOf(clone.path), { what: 'the lock to name npm' });
  await killed.kill();

  await using next = clone.start(['cli', 'next']);
  await waitFor(() => next.stderr.includes('waiting for it'), { what: 'the next command to wait' });
  expect(isAlive(npmPid)).toBe(true);
  process.kill(npmPid);
  expect(await next.exited).toEqual({ code: 0, signal: null });
  expect(clone.npmCalls()).toEqual(['ci', 'ci', 'rebuild']);
  expect(existsSync(join(clone.path, '.busbar-install.lock'))).toBe(false);
});

test('a failing npm is shown, with what to do', async () => {
  await using clone = makeClone();
  const { code, stderr } = await clone.run(['cli'], { NPM_DOES: 'fail' });
  expect(code).toBe(1);
  expect(stderr).toMatch(/npm error the dog ate it\nbusbar: npm ci failed, see above.*run the command again\n$/);
});

test('without npm, without a lockfile, and for unknown tasks it says what to do', async () => {
  await using clone = makeClone();
  unlinkSync(join(clone.path, 'bin/npm'));
  const noNpm = await clone.run(['cli'], { PATH: join(clone.path, 'bin') });
  expect(noNpm).toMatchObject({ code: 1, stderr: expect.stringMatching(/npm cannot be started .*install Node 20/) });
  unlinkSync(join(clone.path, 'package-lock.json'));
  const noLockfile = await clone.run(['cli']);
  expect(noLockfile).toMatchObject({ code: 1, stderr: expect.stringContaining('git checkout package-lock.json') });
  expect(await clone.run(['fly'])).toMatchObject({ code: 1, stderr: expect.stringContaining('unknown task "fly"') });
});

test('a task started by a task does not look again', async () => {
  await using clone = makeClone();
  await clone.run(['cli']);
  const outer = await clone.run(['cli', 'nested']);
  expect(outer.stdout).toContain('inner');
  const inside = await clone.run(['cli', 'x'], { REPOSITORY_INSTALLED: clone.path, NPM_DOES: 'fail' });
  expect(inside.code).toBe(0);
});

test('signals reach the task, and its end is ours', async () => {
  await using clone = makeClone();
  await using task = clone.start(['cli', 'wait']);
  await waitFor(() => task.stdout.includes('wait'), { what: 'the task to start' });
  expect(await task.kill('SIGTERM')).toEqual({ code: 9, signal: null });
});

function workerOf(path: string): number | undefined {
  const file = join(path, '.busbar-install.lock');
  return JSON.parse(readFileSync(file, 'utf8')).worker;
}
