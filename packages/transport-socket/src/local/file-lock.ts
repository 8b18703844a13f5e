/** A lock that the kernel keeps: it goes with its holder, however that ends. docs/adr/0014 says why it is a SQLite file. */

import { closeSync, constants, openSync, rmSync, statSync } from 'node:fs';
import { quote } from '@busbar/api/transport';
import type { Database } from 'better-sqlite3';
import { denied } from './socket-path.ts';

/** A lock that is held. */
export class KernelLock {
  readonly #path: string;
  readonly #database: Database;

  private constructor(path: string, database: Database) {
    this.#path = path;
    this.#database = database;
  }

  /** Takes the lock whose file is `path`; undefined where somebody else has it. */
  static async tryTake(path: string): Promise<KernelLock | undefined> {
    // Loaded here: a client that finds its hub running needs no native module.
    const { default: SqliteDatabase } = await import('better-sqlite3');
    for (;;) {
      makeFile(path);
      const file = fileId(path);
      const database = new SqliteDatabase(path, { timeout: 0 });
      try {
        // No journal: nothing is ever written, and a second file would be in the way of who comes next.
        database.pragma('journal_mode = MEMORY');
        database.exec('BEGIN EXCLUSIVE');
        // Who released it has removed the file: then this lock is one on a file that nobody else will find.
        if (file !== undefined && fileId(path) === file) return new KernelLock(path, database);
      } catch (error) {
        if (!isBusy(error)) throw error;
        return undefined;
      } finally {
        if (!database.inTransaction || fileId(path) !== file) database.close();
      }
    }
  }

  /** Removes the file, then lets go: in this order, only the holder ever removes it. */
  release(): void {
    rmSync(this.#path, { force: true });
    this.#database.close();
  }
}

/** Never opens one that is there: closing it would drop the locks that this process holds on it. */
function makeFile(path: string): void {
  try {
    closeSync(openSync(path, constants.O_CREAT | constants.O_EXCL | constants.O_RDWR, 0o600));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EEXIST') throw denied(`cannot make ${quote(path)}: ${code}`, error);
  }
}

function fileId(path: string): string | undefined {
  const stats = statSync(path, { throwIfNoEntry: false, bigint: true });
  return stats && `${stats.dev}:${stats.ino}`;
}

/** An I/O error: the file went while it was being opened, with the lock of who had it. */
function isBusy(error: unknown): boolean {
  return /^SQLITE_(BUSY|IOERR)/.test(String((error as { code?: unknown }).code ?? ''));
}
