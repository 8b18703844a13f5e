/** The path of a Unix socket and what lies beside it: where it may be, whose it must be. */

import { lstatSync, mkdirSync, type Stats } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { BusbarError, invalid, quote } from '@busbar/api/transport';

/** What a socket address holds on macOS; Linux has four bytes more. Node cuts longer ones off without a word. */
export const MAX_PATH_BYTES = 103;

/** The absolute path of a socket. Throws INVALID_ARGUMENT for one that cannot be an address. */
export function toSocketPath(path: unknown): string {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw invalid(`${quote(path)} is not the path of a socket`, 'Give one such as ./bus.sock.');
  }
  const absolute = resolve(path);
  const bytes = Buffer.byteLength(absolute);
  if (bytes <= MAX_PATH_BYTES) return absolute;
  throw invalid(
    `the path of the socket has ${bytes} bytes, the limit is ${MAX_PATH_BYTES}: ${quote(absolute)}`,
    'Choose a shorter folder, such as one below $XDG_RUNTIME_DIR or /tmp that is yours alone.',
  );
}

/** Makes the folder of `path` for its owner only, where it is not there, and checks whose it is. */
export function prepareFolder(path: string): void {
  const folder = dirname(path);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw denied(`cannot make the folder ${quote(folder)}: ${(error as NodeJS.ErrnoException).code}`, error);
  }
  checkFolder(path);
}

/** Throws PERMISSION_DENIED where others could put a socket of theirs into the folder of `path`. */
export function checkFolder(path: string): void {
  const folder = dirname(path);
  const stats = lstat(folder);
  if (stats === undefined) return;
  if (stats.isSymbolicLink()) throw denied(`${quote(folder)} is a symbolic link`);
  if (!stats.isDirectory()) throw denied(`${quote(folder)} is not a folder`);
  const user = process.getuid?.();
  if (user === undefined) return;
  if (stats.uid !== user) throw denied(`${quote(folder)} belongs to another user`);
  if ((stats.mode & 0o022) !== 0) throw denied(`others can write into ${quote(folder)}`);
}

/** Throws PERMISSION_DENIED unless what is at `path` is a socket of this user, or nothing. Tells which. */
export function isSocketThere(path: string): boolean {
  const stats = lstat(path);
  if (stats === undefined) return false;
  if (!stats.isSocket()) throw denied(`${quote(path)} is there and is not a socket`);
  checkOwner(path, stats);
  return true;
}

/** Throws PERMISSION_DENIED unless the file belongs to this user. */
export function checkOwner(path: string, { uid }: Stats): void {
  const user = process.getuid?.();
  if (user !== undefined && uid !== user) throw denied(`${quote(path)} belongs to another user`);
}

/** What is at `path`; undefined for nothing. */
export function lstat(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOTDIR') return undefined;
    throw denied(`cannot look at ${quote(path)}: ${code}`, error);
  }
}

/** PERMISSION_DENIED for a place that is not safe. */
export function denied(what: string, cause?: unknown): BusbarError {
  return new BusbarError('PERMISSION_DENIED', what, {
    hint: 'Use a folder that is yours alone (mode 0700), and no symbolic link.',
    ...(cause === undefined ? {} : { cause }),
  });
}
