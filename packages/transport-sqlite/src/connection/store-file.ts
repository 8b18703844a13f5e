/** The file of a store before SQLite opens it: where it lies, whose it is, who may read it. */

import { closeSync, constants, fsyncSync, lstatSync, mkdirSync, openSync, type Stats, statfsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { BusbarError, quote } from '@busbar/api/transport';
import { toStoreError } from '../errors.ts';

/** Types of file systems, as statfs(2) has them, whose locks do not reach every process that can open the file. */
const NETWORK_FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xfe534d42, 'SMB2'],
  [0xff534d42, 'CIFS'],
  [0x65735546, 'FUSE'],
  [0x01021997, '9P'],
  [0x00c36400, 'Ceph'],
  [0x5346414f, 'AFS'],
  [0x47504653, 'GPFS'],
  [0x0bd00bd0, 'Lustre'],
  [0x786f4256, 'VirtualBox shared folder'],
  [0xbacbacbc, 'VMware shared folder'],
]);

/** The absolute path of the file, made where it is not there (0600, in a folder of 0700) and checked where it is. */
export function prepareFile(file: string, allowNetworkFileSystem: boolean): string {
  const path = resolve(file);
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    if (!allowNetworkFileSystem) checkFileSystem(dirname(path));
    if (!isThere(path)) create(path);
    for (const beside of [`${path}-wal`, `${path}-shm`, `${path}-journal`]) isThere(beside);
    return path;
  } catch (error) {
    throw toStoreError(error);
  }
}

/** Whether there is a file at `path`. Throws for anything that is not a plain file of its own. */
function isThere(path: string): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return false;
  if (stats.isFile()) return true;
  throw new BusbarError('INVALID_ARGUMENT', `${quote(path)} is ${kindOf(stats)}, not a file`, {
    hint: 'Name the file itself: what a link leads to can change under the processes that share the store.',
  });
}

function kindOf(stats: Stats): string {
  if (stats.isSymbolicLink()) return 'a symbolic link';
  return stats.isDirectory() ? 'a folder' : 'a special file';
}

/** Never opens a file that is there: closing it would drop the locks that SQLite holds on it in this process. */
function create(path: string): void {
  try {
    closeSync(openSync(path, constants.O_CREAT | constants.O_EXCL | constants.O_RDWR, 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  syncFolder(dirname(path));
}

/** SQLite syncs the file, not that it is there. Some systems cannot sync a folder, and need not. */
function syncFolder(folder: string): void {
  try {
    const fd = openSync(folder, constants.O_RDONLY);
    fsyncSync(fd);
    closeSync(fd);
  } catch {
    // Windows.
  }
}

function checkFileSystem(folder: string): void {
  const name = NETWORK_FILE_SYSTEMS.get(statfsSync(folder).type);
  if (name === undefined) return;
  throw new BusbarError('UNSUPPORTED', `the store would lie on a file system of type ${name}`, {
    hint: 'Put it on a local disk: SQLite needs locks and shared memory that a network does not keep. If you know that all its processes are on one machine, set allowNetworkFileSystem.',
  });
}
