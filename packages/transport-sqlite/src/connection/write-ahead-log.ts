/** The write-ahead log (WAL): how long it may grow, and when it is copied into the file. */

import { readFileSync, statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Warning } from '@busbar/api/transport';
import type Database from 'better-sqlite3';

/** Pages at which a commit copies the log: 16 MiB, once in 15,000 small messages. With 4 MiB sends take 1.2 times as long. */
const MAX_PAGES = 4000;
const MIN_PAGES = 50;
/** Size of the log file that is kept for later writes. */
const KEPT_BYTES = 16_777_216;
/** A longer log starts from its beginning when writes pause, so that the next process that opens the file reads little. */
const SHORT_BYTES = 1_048_576;
export const PAGE_BYTES = 4096;
/** A log that was not copied into the file and is longer than this is worth a warning. */
const LONG_BYTES = 20_971_520;
/** The locks of readers on the index of the log: one byte for each end of the log that is read. */
const READ_LOCKS = { first: 123, last: 127 };

/** Limits the log to a part of the free space, so that there is room to copy it. */
export function boundLog(db: Database.Database, path: string, free: number = freeBytes(path)): void {
  const pages = Math.floor(free / 16 / PAGE_BYTES);
  db.pragma(`wal_autocheckpoint = ${Math.max(MIN_PAGES, Math.min(MAX_PAGES, pages))}`);
  db.pragma(`journal_size_limit = ${KEPT_BYTES}`);
}

/**
 * Copies the log into the file, except for what readers still use. The log keeps its size: on a disk that others fill, it
 * is the room for claims and acks.
 */
export function copyLogIntoFile(db: Database.Database, path: string): void {
  const log = statSync(`${path}-wal`, { throwIfNoEntry: false });
  db.pragma(`wal_checkpoint(${(log?.size ?? 0) > SHORT_BYTES ? 'RESTART' : 'PASSIVE'})`);
}

/** A warning if a reader keeps a long log from being copied. */
export function warnOfReaders(db: Database.Database, path: string): Warning[] {
  const bytes = statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  if (bytes < LONG_BYTES) return [];
  const [result] = db.pragma('wal_checkpoint(PASSIVE)') as { log: number; checkpointed: number }[];
  if (result === undefined || result.log === result.checkpointed) return [];
  const size = `${Math.round(bytes / 1_048_576)} MiB`;
  const text = `a reader keeps ${size} of log from being copied into the file: ${describeReaders(path)}`;
  return [{ text, hint: 'End its read transaction, or the process. Sends are refused from 128 MiB on.' }];
}

/** The processes that read the store now, as far as the system tells. */
export function describeReaders(path: string): string {
  const pids = findReaders(path).map((pid) => `process ${pid}${nameOf(pid)}`);
  return pids.length === 0 ? 'the process that holds it' : pids.join(', ');
}

/** Linux lists each lock with its process and the inode of its file. */
function findReaders(path: string): number[] {
  try {
    const { ino } = statSync(`${path}-shm`);
    const lock = /POSIX +\S+ +READ +(\d+) +\S+:(\d+) +(\d+) +(\d+)/g;
    const found = [...readFileSync('/proc/locks', 'utf8').matchAll(lock)]
      .map(([, pid, inode, start, end]) => ({
        pid: Number(pid),
        inode: Number(inode),
        start: Number(start),
        end: Number(end),
      }))
      .filter(({ inode, start, end }) => inode === ino && start <= READ_LOCKS.last && end >= READ_LOCKS.first);
    return [...new Set(found.map(({ pid }) => pid))].filter((pid) => pid !== process.pid);
  } catch {
    return [];
  }
}

function nameOf(pid: number): string {
  try {
    return ` (${readFileSync(`/proc/${pid}/comm`, 'utf8')
      .trim()
      .replaceAll(/[^\x20-\x7e]/g, '?')})`;
  } catch {
    return '';
  }
}

function freeBytes(path: string): number {
  try {
    const { bavail, bsize } = statfsSync(dirname(path));
    return bavail * bsize;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
