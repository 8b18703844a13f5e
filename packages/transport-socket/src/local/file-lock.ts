/** A lock file that the kernel unlocks when its holder ends in any way. docs/adr/0014 gives the reasons for SQLite. */

import { closeSync, constants, openSync, rmSync, statSync } from 'node:fs';
import { quote } from '@busbar/api/transport';
import type { Database } from 'better-sqlite3';
import { unsafe } from './private-files.ts';

/** A lock that this process holds. */
export class FileLock {
  readonly #path: string;
  readonly #database: Database;

  private constructor(path: string, database: Database) {
    this.#path = path;
    this.#database = database;
  }

  /** Takes the lock whose file is `path`; undefined if another process holds it. */
  static async tryTake(path: string): Promise<FileLock | undefined> {
    // Loaded here: a client that finds a running hub needs no native module.
    const { default: SqliteDatabase } = await import('better-sqlite3');
    for (;;) {
      createFile(path);
      const file = fileId(path);
      const database = new SqliteDatabase(path, { timeout: 0 });
      try {
        // No journal file: nothing is ever written, and a second file would block the next holder.
        database.pragma('journal_mode = MEMORY');
        database.exec('BEGIN EXCLUSIVE');
        // The previous holder removed the file meanwhile: this lock would be on a file that no other process opens.
        if (file !== undefined && fileId(path) === file) return new FileLock(path, database);
      } catch (error) {
        if (!isBusy(error)) throw error;
        return undefined;
      } finally {
        if (!database.inTransaction || fileId(path) !== file) database.close();
      }
    }
  }

  /** Removes the file, then unlocks it. In this order only the holder ever removes it. */
  release(): void {
    rmSync(this.#path, { force: true });
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

function fileId(path: string): string | undefined {
  const stats = statSync(path, { throwIfNoEntry: false, bigint: true });
  return stats && `${stats.dev}:${stats.ino}`;
}

/** SQLITE_IOERR: the holder removed the file while this process opened it. */
function isBusy(error: unknown): boolean {
  return /^SQLITE_(BUSY|IOERR)/.test(String((error as { code?: unknown }).code ?? ''));
}
