/** Prepares the file of a store before SQLite opens it: its folder, permissions and file system. */

import { closeSync, constants, fsyncSync, lstatSync, mkdirSync, openSync, type Stats, statfsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { BusbarError, quote } from '@busbar/api/transport';
import { toStoreError } from '../errors.ts';

/** Types of file systems, as in statfs(2), whose locks do not reach all processes that can open the file. */
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

/** Returns the absolute path of the file. Creates it if needed (0600, in a folder of 0700), or checks it. */
export function prepareFile(file: string, allowNetworkFileSystem: boolean): string {
  const path = resolve(file);
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    if (!allowNetworkFileSystem) checkFileSystem(dirname(path));
    if (!exists(path)) create(path);
    for (const beside of [`${path}-wal`, `${path}-shm`, `${path}-journal`]) exists(beside);
    return path;
  } catch (error) {
    throw toStoreError(error);
  }
}

/** Whether `path` exists. Throws for anything but a regular file. */
function exists(path: string): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return false;
  if (stats.isFile()) return true;
  throw new BusbarError('INVALID_ARGUMENT', `${quote(path)} is ${kindOf(stats)}, not a file`, {
    hint: 'Name the file itself: the target of a link can change while processes share the store.',
  });
}

function kindOf(stats: Stats): string {
  if (stats.isSymbolicLink()) return 'a symbolic link';
  return stats.isDirectory() ? 'a folder' : 'a special file';
}

/** Never opens an existing file: closing it would drop the locks that SQLite holds on it in this process. */
function create(path: string): void {
  try {
    closeSync(openSync(path, constants.O_CREAT | constants.O_EXCL | constants.O_RDWR, 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  syncFolder(dirname(path));
}

/** SQLite syncs the content of the file, not its entry in the folder. Some systems cannot sync a folder and need not. */
function syncFolder(folder: string): void {
  try {
    const fd = openSync(folder, constants.O_RDONLY);
    fsyncSync(fd);
    closeSync(fd);
  } catch {
    // Windows cannot sync a folder.
  }
}

function checkFileSystem(folder: string): void {
  const name = NETWORK_FILE_SYSTEMS.get(statfsSync(folder).type);
  if (name === undefined) return;
  throw new BusbarError('UNSUPPORTED', `the store is on a network file system (${name})`, {
    hint: 'Put it on a local disk: SQLite needs locks and shared memory, which a network does not provide. If all processes run on one machine, set allowNetworkFileSystem.',
  });
}
