/** The write-ahead log (WAL): how long it may grow, and when it is copied into the file. */

import { statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type Database from 'better-sqlite3';

/** Pages at which a commit copies the log: 16 MiB, once in 15,000 small messages. With 4 MiB sends take 1.2 times as long. */
const MAX_PAGES = 4000;
const MIN_PAGES = 250;
/** Size of the log file that is kept for later writes. */
const KEPT_BYTES = 16_777_216;
/** A log of up to this size is not truncated when writes pause. */
const SHORT_BYTES = 1_048_576;
const PAGE_BYTES = 4096;

/** Limits the log to a quarter of the free space, so that a full disk can copy it once there is some room. */
export function boundLog(db: Database.Database, path: string): void {
  const pages = Math.floor(freeBytes(path) / 4 / PAGE_BYTES);
  db.pragma(`wal_autocheckpoint = ${Math.max(MIN_PAGES, Math.min(MAX_PAGES, pages))}`);
  db.pragma(`journal_size_limit = ${KEPT_BYTES}`);
}

/** Copies the log into the file, except for what readers still use, and truncates a long one. */
export function copyLogIntoFile(db: Database.Database, path: string): void {
  const log = statSync(`${path}-wal`, { throwIfNoEntry: false });
  db.pragma(`wal_checkpoint(${(log?.size ?? 0) > SHORT_BYTES ? 'TRUNCATE' : 'PASSIVE'})`);
}

function freeBytes(path: string): number {
  try {
    const { bavail, bsize } = statfsSync(dirname(path));
    return bavail * bsize;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
