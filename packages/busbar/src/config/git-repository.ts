/** The git repository around a folder, read from its files: all worktrees of one repository share a bus. */

import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { readOwnedFile, readStats, upwards } from './owned-files.ts';

/** The repository around a folder. */
export interface GitRepository {
  /** The folder with `.git`: the root of this worktree. */
  readonly root: string;
  /** The same for all worktrees: the root of the main one; without a main one, the folder that git keeps for all of them. */
  readonly shared: string;
}

const OWNER_HINT = 'Change its owner, or name the bus with --url or MESSAGE_BUS.';
const MAX_LINKED = 1_000;

/** The repository around `folder`, if any. Throws PERMISSION_DENIED for a `.git` file of another user. */
export function findRepository(folder: string): GitRepository | undefined {
  for (const root of upwards(folder)) {
    const stats = readStats(join(root, '.git'));
    if (stats !== undefined) return { root, shared: stats.isFile() ? sharedFolderOf(root) : root };
  }
  return undefined;
}

/** The folder that stands in the shared worktree where `folder` stands in its own. */
export function sharedFolder(folder: string, repository: GitRepository | undefined): string {
  if (repository === undefined || !isWithin(folder, repository.root)) return folder;
  return join(repository.shared, relative(repository.root, folder));
}

/** Folders in which a project's files are looked for: `from` and those above. A linked worktree goes on in the main one. */
export function* searchedFolders(from: string, repository: GitRepository | undefined): Generator<string> {
  for (const folder of upwards(from)) {
    yield folder;
    if (repository === undefined || folder !== repository.root || repository.shared === folder) continue;
    yield* upwards(repository.shared);
    return;
  }
}

/** The roots of all worktrees of a repository, the main one first. */
export function worktreesOf({ root, shared }: GitRepository): string[] {
  const git = existsSync(join(shared, '.git')) ? join(shared, '.git') : shared;
  const folder = join(git, 'worktrees');
  const names = existsSync(folder) ? readdirSync(folder).slice(0, MAX_LINKED) : [];
  const linked = names.flatMap((name) => {
    const file = join(folder, name, 'gitdir');
    return existsSync(file) ? [dirname(resolve(dirname(file), readFileSync(file, 'utf8').trim()))] : [];
  });
  return [...new Set([shared, root, ...linked])];
}

/** Follows a `.git` file, which linked worktrees and submodules have, as `git rev-parse --git-common-dir` does. */
function sharedFolderOf(root: string): string {
  const text = readOwnedFile(join(root, '.git'), OWNER_HINT) ?? '';
  const [, path] = /^gitdir: ([^\r\n]+)/.exec(text) ?? [];
  const own = path === undefined ? undefined : resolve(root, path);
  // The repository was moved or deleted.
  if (own === undefined || !existsSync(own)) return root;
  const common = resolve(own, readOwnedFile(join(own, 'commondir'), OWNER_HINT)?.trim() ?? '.');
  if (!existsSync(common)) return root;
  if (basename(common) === '.git') return realpathSync(dirname(common));
  return realpathSync(resolve(common, worktreeSetting(common) ?? '.'));
}

/** `core.worktree`, which submodules have. */
function worktreeSetting(common: string): string | undefined {
  const text = readOwnedFile(join(common, 'config'), OWNER_HINT) ?? '';
  const [, path] = /^\s*worktree\s*=\s*(.+?)\s*$/m.exec(text) ?? [];
  return path !== undefined && existsSync(resolve(common, path)) ? path : undefined;
}

function isWithin(folder: string, root: string): boolean {
  return folder === root || folder.startsWith(root.endsWith('/') ? root : `${root}/`);
}
