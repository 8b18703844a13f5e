/** A lock file that the kernel unlocks when its holder ends in any way. docs/adr/0014 gives the reasons for SQLite. */

import { closeSync, constants, openSync, rmSync, statSync } from 'node:fs';
import { BusbarError, missingPackage, quote } from '@busbar/api/transport';
import { checkPrivateFile, unsafe } from '@busbar/wire';
import type Sqlite from 'better-sqlite3';
import type { Database } from 'better-sqlite3';

/** A lock that this process holds. */
export class FileLock {
  readonly #path: string;
  readonly #database: Database;
  readonly #file: string;

  private constructor(path: string, database: Database, file: string) {
    this.#path = path;
    this.#database = database;
    this.#file = file;
  }

  /** Whether the path still leads to the file of this lock. Otherwise another process can take the lock of the path. */
  get isInPlace(): boolean {
    return fileId(this.#path) === this.#file;
  }

  /** Takes the lock whose file is `path`; undefined if another process holds it. */
  static async tryTake(path: string): Promise<FileLock | undefined> {
    // Loaded here: a client that finds a running hub needs no native module.
    const { default: SqliteDatabase } = await import('better-sqlite3').catch(missingPackage('better-sqlite3'));
    for (;;) {
      createFile(path);
      checkPrivateFile(path);
      const file = fileId(path);
      const database = open(SqliteDatabase, path);
      if (database === undefined) continue;
      try {
        // No journal file: nothing is ever written, and a second file would block the next holder.
        database.pragma('journal_mode = MEMORY');
        database.exec('BEGIN EXCLUSIVE');
        // The previous holder removed the file meanwhile: this lock would be on a file that no other process opens.
        if (file !== undefined && fileId(path) === file) return new FileLock(path, database, file);
      } catch (error) {
        if (isBusy(error)) return undefined;
        throw isForeign(error) ? notLock(path, error) : error;
      } finally {
        if (!database.inTransaction || fileId(path) !== file) database.close();
      }
    }
  }

  /** Removes the file, then unlocks it. In this order only the holder ever removes it. */
  release(): void {
    if (this.isInPlace) rmSync(this.#path, { force: true });
    this.#database.close();
  }
}

/** Never opens an existing file: closing it would drop the locks that this process holds on it. */
function createFile(path: string): void {
  try {
    closeSync(openSync(path, constants.O_CREAT | constants.O_EXCL | constants.O_RDWR, 0o600));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EEXIST') throw unsafe(`cannot create ${quote(path)}: ${code}`, error);
  }
}

/** Undefined if the holder has removed the file: SQLite would create it with the mode of other files. */
function open(SqliteDatabase: typeof Sqlite, path: string): Database | undefined {
  try {
    return new SqliteDatabase(path, { timeout: 0, fileMustExist: true });
  } catch (error) {
    if (fileId(path) === undefined) return undefined;
    throw unsafe(`cannot open ${quote(path)}: ${String((error as { code?: unknown }).code)}`, error);
  }
}

/** Identifies the file at `path`; undefined if there is none. */
export function fileId(path: string): string | undefined {
  const stats = statSync(path, { throwIfNoEntry: false, bigint: true });
  return stats && `${stats.dev}:${stats.ino}`;
}

/** The file has other content than a lock, which is empty. */
function isForeign(error: unknown): boolean {
  return /^SQLITE_(NOTADB|CORRUPT)/.test(String((error as { code?: unknown }).code ?? ''));
}

function notLock(path: string, cause: unknown): BusbarError {
  return new BusbarError('CONFLICT', `${quote(path)} exists and is not the lock of a hub`, {
    hint: 'Move the file away: a hub creates its lock itself.',
    cause,
  });
}

/** SQLITE_IOERR: the holder removed the file while this process opened it. */
function isBusy(error: unknown): boolean {
  return /^SQLITE_(BUSY|IOERR)/.test(String((error as { code?: unknown }).code ?? ''));
}
