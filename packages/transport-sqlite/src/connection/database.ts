/** Opens the database of a store: settings, checks of whose file it is, tables, the clock. */

import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { BusbarError, quote } from '@busbar/api/transport';
import Database from 'better-sqlite3';
import { isBusy, toStoreError } from '../errors.ts';
import type { Settings } from '../options.ts';
import { BootClock, bootId, type Clock, offsetFor, WallClock } from './clock.ts';
import { APPLICATION_ID, MIGRATIONS, SCHEMA_VERSION } from './schema.ts';
import { prepareFile } from './store-file.ts';
import { boundLog } from './write-ahead-log.ts';

/** A database that is ready for use. */
export interface OpenedDatabase {
  readonly db: Database.Database;
  readonly path: string;
  readonly storeId: string;
  readonly clock: Clock;
}

/** The first release without the WAL-reset bug, which can corrupt a database with two writers. */
const OLDEST_SQLITE = '3.51.3';
/** Stores of at most so many pages, 1 MiB, are checked when they are opened. */
const CHECKED_PAGES = 256;
const OPEN_WITHIN_MS = 10_000;

/** Opens the file of a store, made where it is not there. Waits a bounded time for processes that keep it locked. */
export async function openDatabase(settings: Settings): Promise<OpenedDatabase> {
  checkRuntime();
  const path = prepareFile(settings.file, settings.allowNetworkFileSystem);
  const until = performance.now() + OPEN_WITHIN_MS;
  for (;;) {
    try {
      return tryOpen(path, settings);
    } catch (error) {
      if (!isBusy(error) || performance.now() > until) throw toStoreError(error);
    }
    await sleep(5 + Math.random() * 20);
  }
}

/** Another connection to a store that is open, for a long read. */
export function openReader(path: string): Database.Database {
  return new Database(path, { readonly: true, fileMustExist: true, timeout: 2000 });
}

/** The prebuilt SQLite takes an older Node down with it instead of throwing. */
function checkRuntime(): void {
  const major = Number(process.versions.node.split('.')[0]);
  if (major >= 22) return;
  throw new BusbarError('UNSUPPORTED', `Node ${process.versions.node} is too old for SQLite`, {
    hint: 'Use Node 22.18 or newer.',
  });
}

function tryOpen(path: string, settings: Settings): OpenedDatabase {
  const db = new Database(path, { timeout: 0 });
  try {
    checkLibrary(db);
    checkOwner(db, path);
    configure(db, path, settings.durability);
    if (version(db) < SCHEMA_VERSION) migrate(db);
    else checkSmall(db);
    return { db, path, storeId: readMeta(db, 'store') as string, clock: openClock(db) };
  } catch (error) {
    db.close();
    throw error;
  }
}

function checkLibrary(db: Database.Database): void {
  const have = db.prepare('SELECT sqlite_version()').pluck().get() as string;
  if (compareVersions(have, OLDEST_SQLITE) >= 0) return;
  throw new BusbarError('UNSUPPORTED', `SQLite ${have} can damage a store that several processes write`, {
    hint: `Install better-sqlite3 13 or newer, which brings SQLite ${OLDEST_SQLITE} or newer.`,
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

function checkOwner(db: Database.Database, path: string): void {
  const id = db.pragma('application_id', { simple: true });
  if (id !== APPLICATION_ID) {
    if (id === 0 && isEmpty(db)) return;
    throw new BusbarError('CONFLICT', `${quote(path)} is a database of another program`, {
      hint: 'Name another file; this one was left as it is.',
    });
  }
  const found = version(db);
  if (found <= SCHEMA_VERSION) return;
  throw new BusbarError('UNSUPPORTED', `the store has format ${found}, this version knows ${SCHEMA_VERSION}`, {
    hint: 'A newer Busbar wrote it: update this one.',
  });
}

function isEmpty(db: Database.Database): boolean {
  return db.prepare('SELECT count(*) FROM sqlite_schema').pluck().get() === 0;
}

function version(db: Database.Database): number {
  return db.pragma('user_version', { simple: true }) as number;
}

function configure(db: Database.Database, path: string, durability: Settings['durability']): void {
  if (isEmpty(db)) db.pragma('auto_vacuum = INCREMENTAL');
  const mode = db.pragma('journal_mode = WAL', { simple: true });
  if (mode !== 'wal') {
    throw new BusbarError('UNSUPPORTED', `SQLite keeps journal_mode ${String(mode)} here, WAL is needed`, {
      hint: 'Put the store on a local disk that allows shared memory.',
    });
  }
  db.pragma(`synchronous = ${durability === 'power' ? 'FULL' : 'NORMAL'}`);
  // A plain fsync of macOS leaves the data in the drive's cache.
  if (durability === 'power') db.pragma('fullfsync = 1');
  boundLog(db, path);
  db.pragma('temp_store = MEMORY');
  db.pragma('cache_size = -4096');
  db.pragma('foreign_keys = OFF');
  db.pragma('trusted_schema = OFF');
}

/** SQLite notices damage when it meets it. A small store is looked through at once, which takes 0.6 ms for 1 MiB. */
function checkSmall(db: Database.Database): void {
  const pages = db.pragma('page_count', { simple: true }) as number;
  if (pages > CHECKED_PAGES) return;
  const found = db.pragma('integrity_check(1)', { simple: true });
  if (found === 'ok') return;
  throw toStoreError(Object.assign(new Error(String(found)), { code: 'SQLITE_CORRUPT' }));
}

function migrate(db: Database.Database): void {
  inTransaction(db, () => {
    const found = version(db);
    if (found >= SCHEMA_VERSION) return;
    for (const step of MIGRATIONS.slice(found)) db.exec(step);
    if (found === 0) fill(db);
    db.pragma(`application_id = ${APPLICATION_ID}`);
    db.pragma(`user_version = ${SCHEMA_VERSION}`);
  });
}

function fill(db: Database.Database): void {
  db.prepare('INSERT INTO meta VALUES (?, ?)').run('store', randomBytes(8).toString('hex'));
  db.exec('INSERT INTO counter VALUES (1, 0, 0, 0, 0, 0, 0, 0)');
}

/** The clock of this boot; the first process of a boot sets its offset. */
function openClock(db: Database.Database): Clock {
  const boot = bootId();
  if (boot === undefined) return new WallClock(lastKnownTime(db));
  if (readMeta(db, 'boot') !== boot) {
    inTransaction(db, () => {
      if (readMeta(db, 'boot') === boot) return;
      const put = db.prepare('INSERT OR REPLACE INTO meta VALUES (?, ?)');
      put.run('clock_offset', offsetFor(Math.max(Date.now(), lastKnownTime(db) + 1)));
      put.run('boot', boot);
    });
  }
  return new BootClock(readMeta(db, 'clock_offset') as number);
}

/** The latest store time that anything in the store tells. */
function lastKnownTime(db: Database.Database): number {
  const used = db.prepare('SELECT max(used_at) FROM queue').pluck().get() as number | null;
  return Math.max(used ?? 0, Number(readMeta(db, 'time') ?? 0));
}

function readMeta(db: Database.Database, key: string): unknown {
  return db.prepare('SELECT value FROM meta WHERE key = ?').pluck().get(key);
}

function inTransaction(db: Database.Database, work: () => void): void {
  db.transaction(work).immediate();
}
