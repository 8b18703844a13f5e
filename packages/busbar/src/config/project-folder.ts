/**
 * The `.busbar` folder of a project, with the default SQLite file. Files and folders that decide where messages go count
 * only if they belong to the user of this process, or to root.
 */

import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { BusbarError, invalid } from '@busbar/api/transport';

const FOLDER = '.busbar';
const MAX_BYTES = 1024 * 1024;
const OWNER_HINT =
  'Change its owner, create a .busbar folder of your own here, or name the bus with --url or MESSAGE_BUS.';

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
    if (isFolder(path)) return { path, exists: true };
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
    if ((error as NodeJS.ErrnoException).code === 'EEXIST' && isFolder(path)) return;
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

/** Whether it is a folder. Throws PERMISSION_DENIED for a folder of another user, such as one in a shared /tmp. */
function isFolder(path: string): boolean {
  if (readStats(path)?.isDirectory() !== true) return false;
  for (const stats of [lstatSync(path), statSync(path)]) checkOwner(path, stats, OWNER_HINT);
  return true;
}

/** Throws PERMISSION_DENIED if this user may not look into a folder of the path. */
function readStats(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: string, cause: unknown): BusbarError {
  const { code } = cause as NodeJS.ErrnoException;
  return new BusbarError('PERMISSION_DENIED', `this user cannot read ${path}: ${code}`, {
    hint: 'Change to a folder that this user can read, or name the bus with --url or MESSAGE_BUS.',
    cause,
  });
}

function cannotMake(path: string, error: NodeJS.ErrnoException): BusbarError {
  const denied = error.code === 'EACCES' || error.code === 'EPERM' || error.code === 'EROFS';
  return new BusbarError(denied ? 'PERMISSION_DENIED' : 'UNAVAILABLE', `cannot create ${path}: ${error.code}`, {
    hint: 'Set MESSAGE_BUS to a bus that this process can write to, such as sqlite:~/bus.db.',
    cause: error,
  });
}

/** Throws PERMISSION_DENIED if the file at `path` belongs to another user. Root trusts root only. */
export function checkOwner(path: string, { uid }: Stats, hint: string): void {
  const user = process.geteuid?.();
  if (user === undefined || uid === user || uid === 0) return;
  throw new BusbarError('PERMISSION_DENIED', `${path} belongs to another user (uid ${uid})`, { hint });
}

function writableByAll(path: string): BusbarError {
  return new BusbarError('PERMISSION_DENIED', `every user can write to ${path}`, { hint: `chmod o-w ${path}` });
}

/** The text of a file of this user; undefined if there is none. Also checks the owner of a link. */
export function readOwnedFile(path: string, hint: string): string | undefined {
  try {
    checkOwner(path, lstatSync(path), hint);
    // O_NONBLOCK: a pipe must not block.
    const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stats = fstatSync(file);
      checkOwner(path, stats, hint);
      if ((stats.mode & 0o002) !== 0) throw writableByAll(path);
      if (!stats.isFile()) throw invalid(`${path} is not a file`, 'Move it away.');
      if (stats.size > MAX_BYTES) throw invalid(`${path} has more than 1 MiB`, 'Move it away.');
      return readFileSync(file, 'utf8');
    } finally {
      closeSync(file);
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    if (error instanceof BusbarError) throw error;
    if (code === 'EACCES' || code === 'EPERM') throw unreadable(path, error);
    throw invalid(`cannot read ${path}: ${code}`, 'Make it readable, or move it away.');
  }
}
