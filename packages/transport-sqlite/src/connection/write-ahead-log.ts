/** The write-ahead log: how long it may grow, and when it goes into the file. */

import { statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type Database from 'better-sqlite3';

/** Pages at which a commit copies the log into the file: 16 MiB, once in 15,000 small messages. 4 MiB take 1.2 times as long. */
const MOST_PAGES = 4000;
const FEWEST_PAGES = 250;
/** What of the log's file is kept for the next writes. */
const KEPT_BYTES = 16_777_216;
/** The log is cut off once writing has paused, unless it is as short as this. */
const SHORT_BYTES = 1_048_576;
const PAGE_BYTES = 4096;

/** Sets how long the log may grow: a quarter of what is free, so that a full disk has room to copy it once there is some. */
export function boundLog(db: Database.Database, path: string): void {
  const pages = Math.floor(freeBytes(path) / 4 / PAGE_BYTES);
  db.pragma(`wal_autocheckpoint = ${Math.max(FEWEST_PAGES, Math.min(MOST_PAGES, pages))}`);
  db.pragma(`journal_size_limit = ${KEPT_BYTES}`);
}

/** Copies the log into the file, as far as nobody reads it, and cuts it off where it is long. */
export function emptyLog(db: Database.Database, path: string): void {
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
