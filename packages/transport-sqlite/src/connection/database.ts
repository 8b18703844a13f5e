/** Opens the database of a store: checks the file and its format, sets pragmas, creates tables, starts the clock. */

import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkStoreFormat, newStoreHeader } from '@busbar/api/driver';
import { BusbarError, newId, notInBundle, quote } from '@busbar/api/transport';
import Database from 'better-sqlite3';
import { isBusy, toStoreError } from '../errors.ts';
import type { SqliteSettings } from '../options.ts';
import { BootClock, bootId, type Clock, offsetFor, WallClock } from './clock.ts';
import { APPLICATION_ID, FORMAT, MIGRATIONS } from './schema.ts';
import { checkFiles, fileIdOf, prepareFile, restoreFile } from './store-file.ts';
import { boundLog } from './write-ahead-log.ts';

/** A database that is ready for use. */
export interface OpenedDatabase {
  readonly db: Database.Database;
  readonly path: string;
  readonly storeId: string;
  readonly clock: Clock;
}

/** The first version without the WAL-reset bug, which can corrupt a database with two writers. */
const MIN_SQLITE = '3.51.3';
/** Stores of up to this many pages, 1 MiB, are checked when they are opened. */
const CHECKED_PAGES = 256;
const OPEN_WITHIN_MS = 10_000;

/** Opens the file of a store, creating it if needed. Waits a bounded time while other processes lock it. */
export async function openDatabase(settings: SqliteSettings): Promise<OpenedDatabase> {
  checkRuntime();
  const path = prepareFile(settings.file, settings.allowNetworkFileSystem);
  const until = performance.now() + OPEN_WITHIN_MS;
  for (;;) {
    try {
      return tryOpen(path, settings);
    } catch (error) {
      if (!isBusy(error) || performance.now() > until) throw toOpenError(error, path);
    }
    await sleep(5 + Math.random() * 20);
  }
}

/** `error` as that of a store, with the path where the file is none of SQLite. */
function toOpenError(error: unknown, path: string): BusbarError {
  if (isWithoutBinary(error)) return notInBundle('the binary of SQLite was not found', error);
  const known = toStoreError(error);
  if ((error as { code?: unknown }).code !== 'SQLITE_NOTADB') return known;
  const { code, hint } = known;
  return new BusbarError(code, `${quote(path)} is not a SQLite database (SQLITE_NOTADB)`, { hint, cause: error });
}

/** In a bundle the package looks for its binary beside the bundle, or does not know where that is. */
function isWithoutBinary(error: unknown): boolean {
  return error instanceof ReferenceError || (error as { code?: unknown }).code === 'MODULE_NOT_FOUND';
}

/** Opens the file of a store that was open before, creating it if it was removed. Throws if another process locks it. */
export function reopenDatabase(path: string, settings: SqliteSettings): OpenedDatabase {
  restoreFile(path);
  return tryOpen(path, settings);
}

/** Copies the content of a database into the empty file `to`, which counts as the same copy of the store. */
export function copyDatabase(db: Database.Database, to: string): void {
  db.prepare('VACUUM INTO ?').run(to);
  const copy = new Database(to);
  try {
    copy.prepare('UPDATE store SET file_id=?').run(fileIdOf(to));
  } finally {
    copy.close();
  }
}

/** Opens a second, read-only connection to an open store, for a long read. */
export function openReader(path: string): Database.Database {
  checkFiles(path);
  return new Database(path, { readonly: true, fileMustExist: true, timeout: 2000 });
}

/** The prebuilt SQLite crashes an older Node instead of throwing. */
function checkRuntime(): void {
  const major = Number(process.versions.node.split('.')[0]);
  if (major >= 22) return;
  throw new BusbarError('UNSUPPORTED', `Node ${process.versions.node} is too old for SQLite`, {
    hint: 'Use Node 22.18 or newer.',
  });
}

function tryOpen(path: string, settings: SqliteSettings): OpenedDatabase {
  const db = new Database(path, { timeout: 0 });
  try {
    checkLibrary(db);
    checkFormat(db, path);
    configure(db, path, settings.durability);
    if (formatOf(db) < FORMAT) migrate(db, path);
    else checkIntegrity(db);
    markCopy(db, path);
    // SQLite has made the log and its index by now, if no other user has.
    checkFiles(path);
    return { db, path, storeId: readHeader(db, 'store_id') as string, clock: openClock(db) };
  } catch (error) {
    db.close();
    throw error;
  }
}

function checkLibrary(db: Database.Database): void {
  const have = db.prepare('SELECT sqlite_version()').pluck().get() as string;
  if (compareVersions(have, MIN_SQLITE) >= 0) return;
  throw new BusbarError('UNSUPPORTED', `SQLite ${have} can damage a store with several writers`, {
    hint: `Install better-sqlite3 13 or newer, which includes SQLite ${MIN_SQLITE} or newer.`,
  });
}

function compareVersions(left: string, right: string): number {
  const rights = right.split('.').map(Number);
  for (const [index, part] of left.split('.').map(Number).entries()) {
    const difference = part - (rights[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Refuses a file of another program or of an unknown format. The file is not changed. */
function checkFormat(db: Database.Database, path: string): void {
  const id = db.pragma('application_id', { simple: true });
  if (id !== APPLICATION_ID) {
    if (id === 0 && isEmpty(db)) return;
    throw new BusbarError('CONFLICT', `${quote(path)} is a database of another program`, {
      hint: 'Name another file; this one was not changed.',
    });
  }
  checkStoreFormat(formatOf(db), FORMAT, `the file ${quote(path)}`);
  if (hasHeader(db)) return;
  throw new BusbarError('CONFLICT', `${quote(path)} has the format of an unreleased version, without a store header`, {
    hint: 'Name another file, or delete this one if its messages are no longer needed; it was not changed.',
  });
}

function hasHeader(db: Database.Database): boolean {
  const columns = "SELECT count(*) FROM pragma_table_info('queue') WHERE name='paused'";
  return db.prepare(columns).pluck().get() === 1;
}

function isEmpty(db: Database.Database): boolean {
  return db.prepare('SELECT count(*) FROM sqlite_schema').pluck().get() === 0;
}

function formatOf(db: Database.Database): number {
  return db.pragma('user_version', { simple: true }) as number;
}

function configure(db: Database.Database, path: string, durability: SqliteSettings['durability']): void {
  if (isEmpty(db)) db.pragma('auto_vacuum = INCREMENTAL');
  const mode = db.pragma('journal_mode = WAL', { simple: true });
  if (mode !== 'wal') {
    throw new BusbarError('UNSUPPORTED', `the store needs journal_mode WAL, but SQLite keeps ${String(mode)} here`, {
      hint: 'Put the store on a local disk that supports shared memory.',
    });
  }
  db.pragma(`synchronous = ${durability === 'power' ? 'FULL' : 'NORMAL'}`);
  // On macOS, a plain fsync leaves the data in the cache of the drive.
  if (durability === 'power') db.pragma('fullfsync = 1');
  boundLog(db, path);
  db.pragma('temp_store = MEMORY');
  db.pragma('cache_size = -4096');
  db.pragma('foreign_keys = OFF');
  db.pragma('trusted_schema = OFF');
}

/** SQLite detects damage only where it reads. A small store is checked as a whole, which takes 0.6 ms for 1 MiB. */
function checkIntegrity(db: Database.Database): void {
  const pages = db.pragma('page_count', { simple: true }) as number;
  if (pages > CHECKED_PAGES) return;
  const found = db.pragma('integrity_check(1)', { simple: true });
  if (found === 'ok') return;
  throw toStoreError(Object.assign(new Error(String(found)), { code: 'SQLITE_CORRUPT' }));
}

function migrate(db: Database.Database, path: string): void {
  inTransaction(db, () => {
    const found = formatOf(db);
    if (found >= FORMAT) return;
    for (const step of MIGRATIONS.slice(found)) db.exec(step);
    if (found === 0) insertHeader(db, path);
    db.pragma(`application_id = ${APPLICATION_ID}`);
    db.pragma(`user_version = ${FORMAT}`);
    db.prepare('UPDATE store SET format=?').run(FORMAT);
  });
}

function insertHeader(db: Database.Database, path: string): void {
  const { format, incarnation } = newStoreHeader(FORMAT);
  db.prepare(
    'INSERT INTO store (one, format, incarnation, store_id, last_time, copy, file_id) VALUES (1, ?, ?, ?, 0, ?, ?)',
  ).run(format, incarnation, randomBytes(8).toString('hex'), newId(), fileIdOf(path));
  db.exec('INSERT INTO counter VALUES (1, 0, 0, 0, 0, 0, 0, 0)');
}

/** Gives a copy of a store, such as a restored backup, an id of its own. Its first process does it. */
function markCopy(db: Database.Database, path: string): void {
  const fileId = fileIdOf(path);
  if (readHeader(db, 'file_id') === fileId) return;
  inTransaction(db, () => {
    if (readHeader(db, 'file_id') !== fileId) db.prepare('UPDATE store SET copy=?, file_id=?').run(newId(), fileId);
  });
}

/** The clock of this boot. The first process of a boot sets its offset. */
function openClock(db: Database.Database): Clock {
  const boot = bootId();
  if (boot === undefined) return new WallClock(lastKnownTime(db));
  if (readHeader(db, 'boot') !== boot) {
    inTransaction(db, () => {
      if (readHeader(db, 'boot') === boot) return;
      const offset = offsetFor(Math.max(Date.now(), lastKnownTime(db) + 1));
      db.prepare('UPDATE store SET boot=?, clock_offset=?').run(boot, offset);
    });
  }
  return new BootClock(readHeader(db, 'clock_offset') as number);
}

/** The latest store time recorded in the store. */
function lastKnownTime(db: Database.Database): number {
  const used = db.prepare('SELECT max(used_at) FROM queue').pluck().get() as number | null;
  return Math.max(used ?? 0, readHeader(db, 'last_time') as number);
}

function readHeader(
  db: Database.Database,
  column: 'store_id' | 'file_id' | 'boot' | 'clock_offset' | 'last_time',
): unknown {
  return db.prepare(`SELECT ${column} FROM store`).pluck().get();
}

function inTransaction(db: Database.Database, work: () => void): void {
  db.transaction(work).immediate();
}
