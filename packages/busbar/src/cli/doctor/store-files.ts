/** What the doctor finds of a store in a file: its folder, who may read it, the room on its disk. */

import { accessSync, constants, existsSync, statfsSync, statSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { type Finding, failWith, ok, warn } from './finding.ts';

const LOW_BYTES = 256 * 1024 * 1024;

/** Looks at the file behind a `sqlite:` URL; nothing for other URLs. The store is not opened. */
export function checkStoreFiles(url: string): Finding[] {
  const [, encoded] = /^sqlite:(?:\/\/(?=\/))?([^?]+)/.exec(url) ?? [];
  if (encoded === undefined) return [];
  try {
    const file = decodeURIComponent(encoded);
    return [checkFile(file), checkFolder(dirname(file)), checkRoom(dirname(file))].flat();
  } catch (error) {
    return [failWith('files', error)];
  }
}

function checkFile(file: string): Finding[] {
  if (!existsSync(file)) return [warn('file', `${file} is not there yet`, 'Opening the bus makes it.')];
  const { size, mode } = statSync(file);
  accessSync(file, constants.R_OK | constants.W_OK);
  const logBytes = statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  const log = logBytes === 0 ? '' : ` and ${toMiB(logBytes)} of log`;
  if ((mode & 0o077) === 0) return [ok('file', `${basename(file)}, ${toMiB(size)}${log}, for its owner only`)];
  return [warn('file', `others may read ${file} (mode ${toOctal(mode)})`, `chmod 600 ${file}*`)];
}

function checkFolder(folder: string): Finding[] {
  if (!existsSync(folder)) return [];
  const { mode } = statSync(folder);
  accessSync(folder, constants.W_OK | constants.X_OK);
  if ((mode & 0o022) === 0) return [ok('folder', `${folder} (mode ${toOctal(mode)})`)];
  return [warn('folder', `others may write to ${folder} (mode ${toOctal(mode)})`, `chmod 700 ${folder}`)];
}

function checkRoom(folder: string): Finding[] {
  if (!existsSync(folder)) return [];
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  if (free >= LOW_BYTES) return [ok('disk', `${toMiB(free)} free`)];
  return [warn('disk', `only ${toMiB(free)} free`, 'A full disk refuses messages with BACKPRESSURE. Make room.')];
}

function toMiB(bytes: number): string {
  if (bytes < 1024 * 1024) return `${Math.ceil(bytes / 1024)} KiB`;
  const mib = bytes / (1024 * 1024);
  return mib < 10_240 ? `${mib.toFixed(mib < 10 ? 1 : 0)} MiB` : `${(mib / 1024).toFixed(0)} GiB`;
}

function toOctal(mode: number): string {
  return (mode & 0o777).toString(8).padStart(4, '0');
}
