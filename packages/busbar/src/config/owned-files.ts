/** Files that decide where messages go: they count only if they belong to the user of this process, or to root. */

import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync, type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { BusbarError, invalid, isBusbarError } from '@busbar/api/transport';

const MAX_BYTES = 1024 * 1024;

/** `from` and all folders above it. */
export function* upwards(from: string): Generator<string> {
  for (let folder = from; ; folder = dirname(folder)) {
    yield folder;
    if (dirname(folder) === folder) return;
  }
}

/** Throws PERMISSION_DENIED if this user may not look into a folder of the path. */
export function readStats(path: string): Stats | undefined {
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
    if (isBusbarError(error)) throw error;
    if (code === 'EACCES' || code === 'EPERM') throw unreadable(path, error);
    throw invalid(`cannot read ${path}: ${code}`, 'Make it readable, or move it away.');
  }
}
