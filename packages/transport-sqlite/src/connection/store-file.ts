/** The files of a store: created, checked before SQLite opens them, and identified while they are open. */

import {
  closeSync,
  constants,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  type Stats,
  statfsSync,
  statSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { BusbarError, quote } from '@busbar/api/transport';
import { makeFolder } from '@busbar/wire';
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

const STICKY = 0o1000;
const OTHERS_WRITE = 0o002;
const GROUP_OR_OTHERS_WRITE = 0o022;

/** Returns the absolute path of the file. Creates it if needed (0600, in a folder of 0700), or checks it. */
export function prepareFile(file: string, allowNetworkFileSystem: boolean): string {
  const path = resolve(file);
  try {
    makeFolder(dirname(path));
    if (!allowNetworkFileSystem) checkFileSystem(dirname(path));
    createFile(path);
    return path;
  } catch (error) {
    throw toStoreError(error);
  }
}

/** Creates the file again if it was removed, also with its folder, but not the folders above. Checks it otherwise. */
export function restoreFile(path: string): void {
  try {
    mkdirSync(dirname(path), { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  createFile(path);
}

/** Throws unless all files of the store that exist belong to this user and no other user can replace them. */
export function checkFiles(path: string): void {
  checkFolder(dirname(path));
  for (const each of [path, ...besidesOf(path), `${path}-reserve`]) isFile(each);
  checkWakeupFolder(wakeupFolderOf(path));
}

/** The files that SQLite keeps beside the main one. */
function besidesOf(path: string): string[] {
  return [`${path}-wal`, `${path}-shm`, `${path}-journal`];
}

/** The folder of the wake-up files of the store at `path`. */
export function wakeupFolderOf(path: string): string {
  return `${path}.wakeup`;
}

/** Throws PERMISSION_DENIED for a folder of wake-up files that others can write to. Without a folder, processes poll. */
export function checkWakeupFolder(folder: string): void {
  const stats = lstatSync(folder, { throwIfNoEntry: false });
  if (stats === undefined) return;
  checkOwner(folder, stats);
  if (!stats.isSymbolicLink() && (stats.mode & GROUP_OR_OTHERS_WRITE) === 0) return;
  throw new BusbarError('PERMISSION_DENIED', `${quote(folder)} is a link, or others can write to it`, {
    hint: 'Remove it: it is made again, and holds nothing that lasts.',
  });
}

/** Whether `path` exists. Throws for anything but a regular file of this user. */
function isFile(path: string): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return false;
  if (!stats.isFile()) {
    throw new BusbarError('INVALID_ARGUMENT', `${quote(path)} is ${kindOf(stats)}, not a file`, {
      hint: 'Name the file itself: the target of a link can change while processes share the store.',
    });
  }
  checkOwner(path, stats);
  if (stats.nlink <= 1) return true;
  throw new BusbarError('INVALID_ARGUMENT', `${quote(path)} has several names (hard links)`, {
    hint: 'Processes that open it by different names damage it. Remove the other names, or copy the file.',
  });
}

/** Throws PERMISSION_DENIED for what belongs to another user, also if this process is allowed to use it. */
export function checkOwner(path: string, { uid }: Pick<Stats, 'uid'>): void {
  const user = process.geteuid?.();
  if (user === undefined || uid === user) return;
  throw new BusbarError('PERMISSION_DENIED', `${quote(path)} belongs to another user (uid ${uid}, not ${user})`, {
    hint: 'Its owner can read and change what the store holds. Name a file of your own, or change the owner.',
  });
}

/** In a folder of another user, or one that all can write to, others can replace the files of the store. */
function checkFolder(folder: string): void {
  const stats = statSync(folder);
  if (stats.uid !== 0) checkOwner(folder, stats);
  if ((stats.mode & OTHERS_WRITE) === 0 || (stats.mode & STICKY) !== 0) return;
  throw new BusbarError('PERMISSION_DENIED', `every user can replace files in the folder ${quote(folder)}`, {
    hint: `Run \`chmod o-w ${quote(folder)}\`, or keep the store in a folder of its own.`,
  });
}

function kindOf(stats: Stats): string {
  if (stats.isSymbolicLink()) return 'a symbolic link';
  return stats.isDirectory() ? 'a folder' : 'a special file';
}

/** Never opens an existing file: closing it would drop the locks that SQLite holds on it in this process. */
function createFile(path: string): void {
  checkFiles(path);
  if (isFile(path)) return;
  // What is left of a file that was moved away must not be mixed with a new one.
  for (const each of besidesOf(path)) rmSync(each, { force: true });
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

/** Identifies the file at `path`, undefined if there is none, by stat: opening and closing it would drop SQLite's locks. */
export function identify(path: string): string | undefined {
  try {
    const stats = statSync(path, { throwIfNoEntry: false });
    return stats && `${stats.dev}:${stats.ino}`;
  } catch {
    // A folder cannot be read any more.
    return undefined;
  }
}

/** Tells a file from its copies: its number on the disk, which a later file can get again, and when it was made. */
export function fileIdOf(path: string): string {
  const { ino, birthtimeNs } = statSync(path, { bigint: true });
  return `${ino}:${birthtimeNs}`;
}

/** The files of one opening of a store. */
export class OpenFiles {
  readonly #path: string;
  readonly #main: string | undefined;
  readonly #beside: ReadonlyMap<string, string | undefined>;
  #writtenAt: number | undefined;

  /** Takes the files as they are now: SQLite has just opened them. */
  constructor(path: string) {
    this.#path = path;
    this.#main = identify(path);
    this.#beside = new Map([`${path}-wal`, `${path}-shm`].map((each) => [each, identify(each)]));
    this.wasWritten();
  }

  /** Whether there is no file at the path. */
  get isGone(): boolean {
    return identify(this.#path) === undefined;
  }

  /** Whether the main file was written to since the last call: a checkpoint does it, or a copy over the file. */
  wasWritten(): boolean {
    const at = lstatSync(this.#path, { throwIfNoEntry: false })?.mtimeMs;
    const isLater = at !== this.#writtenAt;
    this.#writtenAt = at;
    return isLater;
  }

  /** Whether the path still leads to the file that was opened. */
  isMainInPlace(): boolean {
    return identify(this.#path) === this.#main;
  }

  /** Whether the write-ahead log and its index are those that were opened, too. */
  areInPlace(): boolean {
    return this.isMainInPlace() && [...this.#beside].every(([path, known]) => identify(path) === known);
  }

  /** Whether no other process has made the log or its index again. */
  get isLogOurs(): boolean {
    return [...this.#beside].every(([path, known]) => [undefined, known].includes(identify(path)));
  }

  /** Puts a copy in the place of the main file, unless another process has done so. `write` fills an empty file. */
  replaceMain(write: (copy: string) => void): void {
    const copy = `${this.#path}-rescue-${process.pid}`;
    rmSync(copy, { force: true });
    try {
      closeSync(openSync(copy, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600));
      write(copy);
      if (!this.isMainInPlace()) return;
      this.removeLog();
      renameSync(copy, this.#path);
    } finally {
      rmSync(copy, { force: true });
    }
  }

  /** Removes what is left of the log and its index: SQLite would use one without the other, or with another file. */
  removeLog(): void {
    for (const [path, known] of this.#beside) if (known !== undefined && identify(path) === known) rmSync(path);
  }
}
