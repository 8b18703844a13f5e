/** Checks of a SQLite file: permissions of file and folder, and free disk space. */

import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fstatSync,
  lstatSync,
  openSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type Finding, failWith, mendable, ok, warn } from './finding.ts';

const LOW_BYTES = 256 * 1024 * 1024;
/** The files of a store: its data and what is beside it. */
const SUFFIXES = ['', '-wal', '-shm', '-journal', '-reserve', '.wakeup'];
/** In a folder with this bit, such as /tmp, users cannot replace the files of others. */
const STICKY = 0o1000;

/** Checks the file of a `sqlite:` URL without opening it; no findings for other URLs. */
export function checkStoreFiles(url: string): Finding[] {
  if (!url.startsWith('sqlite:')) return [];
  try {
    const file = filePath(url);
    return [checkFile(file), checkFolder(dirname(file)), checkDisk(dirname(file))].flat();
  } catch (error) {
    return [failWith('files', error)];
  }
}

/** The path in a `sqlite:` URL. */
export function filePath(url: string): string {
  const [, encoded = ''] = /^sqlite:(?:\/\/(?=\/))?([^?]+)/.exec(url) ?? [];
  return decodeURIComponent(encoded);
}

function checkFile(file: string): Finding[] {
  if (!existsSync(file))
    return [warn('file', `${file} does not exist yet`, 'register, publish or task add creates it.')];
  const { size, mode } = statSync(file);
  accessSync(file, constants.R_OK | constants.W_OK);
  const logBytes = statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  const log = logBytes === 0 ? '' : ` and ${toMiB(logBytes)} of log`;
  if ((mode & 0o077) === 0) return [ok('file', `${basename(file)}, ${toMiB(size)}${log}, for its owner only`)];
  const mend = (): void => {
    for (const suffix of SUFFIXES) restrict(`${file}${suffix}`, 0o600);
  };
  const text = `others may read ${file} (mode ${toOctal(mode)})`;
  if (!isOwn(file)) return [warn('file', `${text}; it is another user's or a link`, 'Ask its owner to chmod it.')];
  return [mendable('file', text, `chmod 600 ${file}*`, mend)];
}

/**
 * Takes rights of others from a file or a folder of this user. Another's, and what a link leads to, stay as they are: somebody
 * else may have put them there.
 */
function restrict(path: string, allowed: number): void {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (['ENOENT', 'ELOOP'].includes(String((error as NodeJS.ErrnoException).code))) return;
    throw error;
  }
  try {
    const { uid, mode, nlink } = fstatSync(descriptor);
    const isOne = (mode & constants.S_IFMT) === constants.S_IFDIR || nlink === 1;
    if (isOne && uid === process.geteuid?.()) fchmodSync(descriptor, mode & allowed);
  } finally {
    closeSync(descriptor);
  }
}

function checkFolder(folder: string): Finding[] {
  if (!existsSync(folder)) return [];
  const { mode } = statSync(folder);
  accessSync(folder, constants.W_OK | constants.X_OK);
  const shown = `${folder} (mode ${toOctal(mode)})`;
  const access =
    (mode & 0o022) === 0 || (mode & STICKY) !== 0
      ? ok('folder', shown)
      : !isOwn(folder)
        ? warn('folder', `others may write to ${shown}; it is another user's or a link`, 'Ask its owner to chmod it.')
        : mendable('folder', `others may write to ${shown}`, `chmod go-w ${folder}`, () => restrict(folder, 0o7755));
  return [access, ...checkIgnored(folder)];
}

/** Whether a path is this user's, and no link. */
function isOwn(path: string): boolean {
  const stats = lstatSync(path);
  return !stats.isSymbolicLink() && stats.uid === process.geteuid?.();
}

/** git must not see the folder of a project. */
function checkIgnored(folder: string): Finding[] {
  const file = join(folder, '.gitignore');
  if (basename(folder) !== '.busbar' || existsSync(file)) return [];
  const mend = (): void => writeFileSync(file, '*\n', { flag: 'wx', mode: 0o600 });
  return [mendable('git', `${folder} has no .gitignore, so git may add it`, `echo '*' > ${file}`, mend)];
}

function checkDisk(folder: string): Finding[] {
  if (!existsSync(folder)) return [];
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  if (free >= LOW_BYTES) return [ok('disk', `${toMiB(free)} free`)];
  return [warn('disk', `only ${toMiB(free)} free`, 'A full disk refuses messages with BACKPRESSURE. Free some space.')];
}

function toMiB(bytes: number): string {
  if (bytes < 1024 * 1024) return `${Math.ceil(bytes / 1024)} KiB`;
  const mib = bytes / (1024 * 1024);
  return mib < 10_240 ? `${mib.toFixed(mib < 10 ? 1 : 0)} MiB` : `${(mib / 1024).toFixed(0)} GiB`;
}

function toOctal(mode: number): string {
  return (mode & 0o777).toString(8).padStart(4, '0');
}
