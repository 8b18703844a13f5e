/** Files and folders that belong to this user alone: permission checks, reads and atomic writes. */

import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { BusbarError, quote } from '@busbar/api/transport';
import { makeFolder } from './make-folder.ts';

/** Creates the folder of `path` with mode 0700 if needed, then checks it like {@link checkFolder}. */
export function prepareFolder(path: string): void {
  const folder = dirname(path);
  try {
    makeFolder(folder);
  } catch (error) {
    throw unsafe(`cannot create the folder ${quote(folder)}: ${(error as NodeJS.ErrnoException).code}`, error);
  }
  checkFolder(path);
}

/** Throws PERMISSION_DENIED if another user could put a file into the folder of `path`. */
export function checkFolder(path: string): void {
  const folder = dirname(path);
  const stats = lstat(folder);
  if (stats === undefined) return;
  if (stats.isSymbolicLink()) throw unsafe(`${quote(folder)} is a symbolic link`);
  if (!stats.isDirectory()) throw unsafe(`${quote(folder)} is not a folder`);
  if (process.getuid === undefined) return;
  checkOwner(folder, stats);
  if ((stats.mode & 0o022) !== 0) throw unsafe(`other users can write into ${quote(folder)}`);
}

/** Whether a socket is at `path`. Throws PERMISSION_DENIED for another kind of file or another user's socket. */
export function socketExists(path: string): boolean {
  const stats = lstat(path);
  if (stats === undefined) return false;
  if (!stats.isSocket()) throw misplaced(`${quote(path)} exists and is not a socket`);
  checkOwner(path, stats);
  return true;
}

/** Throws PERMISSION_DENIED if `path` exists and is not a file of this user alone. */
export function checkPrivateFile(path: string): void {
  const stats = lstat(path);
  if (stats !== undefined) checkPrivate(path, stats);
}

/** The text of `path`; undefined if it does not exist. Throws PERMISSION_DENIED if another user can read or replace it. */
export function readPrivateFile(path: string): string | undefined {
  const file = openPrivate(path);
  if (file === undefined) return undefined;
  try {
    // What is read is what was checked.
    checkPrivate(path, fstatSync(file));
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(file);
  }
}

function openPrivate(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // A hub that ends removes its files.
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    checkPrivateFile(path);
    throw unsafe(`cannot read ${quote(path)}: ${code}`, error);
  }
}

function checkPrivate(path: string, stats: Stats): void {
  if (!stats.isFile()) throw misplaced(`${quote(path)} is not a file`);
  checkOwner(path, stats);
  if (process.getuid !== undefined && (stats.mode & 0o077) !== 0) throw unsafe(`other users can read ${quote(path)}`);
}

/** Creates or replaces the file at `path` in one step, with mode 0600. */
export function writePrivateFile(path: string, text: string): void {
  const stats = lstat(path);
  if (stats?.isFile() === false) throw misplaced(`${quote(path)} exists and is not a file`);
  if (stats !== undefined) checkOwner(path, stats);
  const temporary = `${path}.new`;
  rmSync(temporary, { force: true });
  writeFileSync(temporary, text, { mode: 0o600, flag: 'wx' });
  renameSync(temporary, path);
}

/** Runs `create` so that files it creates have mode 0600 from the start, with no gap before a chmod. */
export function withPrivateUmask<T>(create: () => T): T {
  const umask = process.umask(0o177);
  try {
    return create();
  } finally {
    process.umask(umask);
  }
}

/** PERMISSION_DENIED: other users have access to a file or folder. */
export function unsafe(problem: string, cause?: unknown): BusbarError {
  return new BusbarError('PERMISSION_DENIED', problem, {
    hint: 'Use a folder that is yours alone (mode 0700), and no symbolic link.',
    ...(cause !== undefined && { cause }),
  });
}

/** The error of something else at the path of a file of this package. */
export function misplaced(problem: string): BusbarError {
  return new BusbarError('PERMISSION_DENIED', problem, {
    hint: 'Move it away: the next client makes what it needs. Or name another path.',
  });
}

function checkOwner(path: string, { uid }: Stats): void {
  const user = process.getuid?.();
  if (user !== undefined && uid !== user) throw unsafe(`${quote(path)} belongs to another user`);
}

function lstat(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOTDIR') return undefined;
    throw unsafe(`cannot read the attributes of ${quote(path)}: ${code}`, error);
  }
}
