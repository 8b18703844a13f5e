/** The `.busbar` folder of a project, with the default SQLite file. */

import { lstatSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BusbarError, invalid } from '@busbar/api/transport';
import { findRepository, searchedFolders } from './git-repository.ts';
import { checkOwner, readStats } from './owned-files.ts';

const FOLDER = '.busbar';
const OWNER_HINT =
  'To share a bus between users, its owner runs a hub: busbar hub --listen ws://127.0.0.1:7400/bus --token-file FILE. For a bus of your own, set MESSAGE_BUS, or create a .busbar folder here.';

/** The path of the project's folder, which may not exist yet. */
export interface ProjectFolder {
  readonly path: string;
  readonly exists: boolean;
}

/**
 * The nearest `.busbar` at or above `cwd`; without one, a path beside `.git`, or in `cwd` without `.git`. A linked worktree of
 * git without a `.busbar` of its own has the one of the main worktree.
 */
export function findProjectFolder(cwd: string): ProjectFolder {
  const repository = findRepository(cwd);
  for (const folder of searchedFolders(cwd, repository)) {
    const path = join(folder, FOLDER);
    if (isFolder(path)) return { path, exists: true };
  }
  return { path: join(repository?.shared ?? cwd, FOLDER), exists: false };
}

/** Creates a missing folder, for its owner only (0700) and ignored by git. Refuses the root of the file system. */
export function makeProjectFolder({ path, exists }: ProjectFolder): void {
  if (exists) return;
  if (dirname(path) === dirname(dirname(path))) {
    throw invalid('there is no project here: the working directory is /', 'Change to the project, or set MESSAGE_BUS.');
  }
  try {
    mkdirSync(path, { mode: 0o700 });
    writeFileSync(join(path, '.gitignore'), '*\n', { flag: 'wx', mode: 0o600 });
  } catch (error) {
    // Another process created it first.
    if ((error as NodeJS.ErrnoException).code === 'EEXIST' && isFolder(path)) return;
    throw cannotMake(path, error as NodeJS.ErrnoException);
  }
}

/** Whether it is a folder. Throws PERMISSION_DENIED for a folder of another user, such as one in a shared /tmp. */
function isFolder(path: string): boolean {
  if (readStats(path)?.isDirectory() !== true) return false;
  for (const stats of [lstatSync(path), statSync(path)]) checkOwner(path, stats, OWNER_HINT);
  try {
    // Files in a folder that this user may not enter look as if they did not exist.
    statSync(`${path}/.`);
  } catch (cause) {
    throw new BusbarError('PERMISSION_DENIED', `this user may not enter ${path}`, { hint: OWNER_HINT, cause });
  }
  return true;
}

function cannotMake(path: string, error: NodeJS.ErrnoException): BusbarError {
  const denied = error.code === 'EACCES' || error.code === 'EPERM' || error.code === 'EROFS';
  return new BusbarError(denied ? 'PERMISSION_DENIED' : 'UNAVAILABLE', `cannot create ${path}: ${error.code}`, {
    hint: 'Set MESSAGE_BUS to a bus that this process can write to, such as sqlite:~/bus.db.',
    cause: error,
  });
}
