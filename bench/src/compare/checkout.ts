/** A throw-away copy of another commit, ready to run its own benchmarks. */

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { tempDir } from '@busbar/testbed';
import { UsageError } from '../options.ts';

/** The root of this tree. */
export const ROOT: string = resolve(import.meta.dirname, '../../..');

const LOCKFILE = 'package-lock.json';

/** The files of a commit; disposing of it deletes them. */
export interface Checkout extends AsyncDisposable {
  /** The commit's full hash. */
  readonly hash: string;
  readonly path: string;
}

/** Unpacks `commit`. Installed packages are hard links to this tree's where the lockfile is the same. */
export function checkOut(commit: string): Checkout {
  const hash = readHash(commit);
  const folder = tempDir('busbar-compare');
  const { path } = folder;
  const tar = execFileSync('git', ['archive', hash], { cwd: ROOT, maxBuffer: 2 ** 30 });
  execFileSync('tar', ['-x', '-C', path], { input: tar });
  if (hasSameLockfile(path)) linkPackages(path);
  // Otherwise its first run installs them: each task does that for what is missing.
  return { hash, path, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

function readHash(commit: string): string {
  const args = ['rev-parse', '--verify', '--quiet', '--end-of-options', `${commit}^{commit}`];
  const { status, stdout } = spawnSync('git', args, { cwd: ROOT, encoding: 'utf8' });
  if (status === 0) return stdout.trim();
  throw new UsageError(`this repository has no commit ${JSON.stringify(commit)}`);
}

function hasSameLockfile(path: string): boolean {
  return readFileSync(join(path, LOCKFILE)).equals(readFileSync(join(ROOT, LOCKFILE)));
}

/** The links between workspaces are relative: in the copy they lead to the copy. */
function linkPackages(path: string): void {
  const workspaces = ['.', 'bench', 'demo', ...readdirSync(join(ROOT, 'packages')).map((name) => `packages/${name}`)];
  for (const workspace of workspaces) {
    const source = join(ROOT, workspace, 'node_modules');
    if (!existsSync(source)) continue;
    mkdirSync(join(path, workspace), { recursive: true });
    const target = join(path, workspace, 'node_modules');
    // Hard links end at the border of a file system.
    if (spawnSync('cp', ['-al', source, target]).status !== 0) execFileSync('cp', ['-a', source, target]);
  }
}
