/** The `.busbar` folder of a project, with the default SQLite file. */

import { existsSync, mkdirSync, type Stats, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BusbarError } from '@busbar/api/transport';

const FOLDER = '.busbar';

/** The path of the project's folder, which may not exist yet. */
export interface ProjectFolder {
  readonly path: string;
  readonly exists: boolean;
}

/** The nearest `.busbar` at or above `cwd`; without one, a path beside `.git`, or in `cwd` without `.git`. */
export function findProjectFolder(cwd: string): ProjectFolder {
  let repository: string | undefined;
  for (const folder of upwards(cwd)) {
    const path = join(folder, FOLDER);
    if (isOwnFolder(path)) return { path, exists: true };
    if (repository === undefined && existsSync(join(folder, '.git'))) repository = folder;
  }
  return { path: join(repository ?? cwd, FOLDER), exists: false };
}

/** Creates a missing folder, for its owner only (0700) and ignored by git. */
export function makeProjectFolder({ path, exists }: ProjectFolder): void {
  if (exists) return;
  try {
    mkdirSync(path, { mode: 0o700 });
    writeFileSync(join(path, '.gitignore'), '*\n', { flag: 'wx', mode: 0o600 });
  } catch (error) {
    // Another process created it first.
    if ((error as NodeJS.ErrnoException).code === 'EEXIST' && isOwnFolder(path)) return;
    throw cannotMake(path, error as NodeJS.ErrnoException);
  }
}

/** `from` and all folders above it. */
export function* upwards(from: string): Generator<string> {
  for (let folder = from; ; folder = dirname(folder)) {
    yield folder;
    if (dirname(folder) === folder) return;
  }
}

/** Ignores a folder of another user, such as one in a shared /tmp. */
function isOwnFolder(path: string): boolean {
  const stats: Stats | undefined = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined || !stats.isDirectory()) return false;
  const user = process.getuid?.();
  return user === undefined || user === 0 || stats.uid === user;
}

function cannotMake(path: string, error: NodeJS.ErrnoException): BusbarError {
  const denied = error.code === 'EACCES' || error.code === 'EPERM' || error.code === 'EROFS';
  return new BusbarError(denied ? 'PERMISSION_DENIED' : 'UNAVAILABLE', `cannot create ${path}: ${error.code}`, {
    hint: 'Set MESSAGE_BUS to a bus that this process can write to, such as sqlite:~/bus.db.',
    cause: error,
  });
}
