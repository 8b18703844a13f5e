/** The open store: the connection, its prepared statements, and constants such as the store id. */

import type { StorePast } from '@busbar/api/driver';
import { BusbarError } from '@busbar/api/transport';
import type Database from 'better-sqlite3';
import type { SqliteSettings } from '../options.ts';
import type { Clock } from './clock.ts';
import { copyDatabase, type OpenedDatabase, reopenDatabase } from './database.ts';
import { OpenFiles } from './store-file.ts';

/** A prepared statement. It returns rows as arrays. */
export type Statement<Row = unknown[]> = Database.Statement<unknown[], Row>;

export class Store {
  readonly path: string;
  readonly settings: SqliteSettings;
  /** How often the file was opened. */
  openCount = 1;
  #opened: OpenedDatabase | undefined;
  #files: OpenFiles;
  readonly #statements = new Map<string, Statement>();

  constructor(opened: OpenedDatabase, settings: SqliteSettings) {
    this.path = opened.path;
    this.settings = settings;
    this.#opened = opened;
    this.#files = new OpenFiles(opened.path);
  }

  /** False after an attempt to open the file again has failed. */
  get isOpen(): boolean {
    return this.#opened !== undefined;
  }

  get db(): Database.Database {
    return this.#database.db;
  }

  get storeId(): string {
    return this.#database.storeId;
  }

  get clock(): Clock {
    return this.#database.clock;
  }

  get ns(): string {
    return this.settings.ns;
  }

  /** The files that were opened. */
  get files(): OpenFiles {
    return this.#files;
  }

  /** Opens the file again that is now at the path. Throws if it cannot be opened; then the store is closed. */
  reopen(): void {
    if (this.#opened !== undefined) {
      this.#saveLog();
      this.close();
    }
    this.#opened = reopenDatabase(this.path, this.settings);
    this.#files = new OpenFiles(this.path);
    this.openCount += 1;
  }

  close(): void {
    this.#statements.clear();
    this.#opened?.db.close();
    this.#opened = undefined;
  }

  /** What identifies the state of the store. */
  past(): StorePast {
    const [incarnation, cleared, copy, counter] = this.sql<[string, string | null, string, number]>(
      `SELECT incarnation, (SELECT incarnation FROM namespace WHERE ns=?), copy, message_head + event_head + revision
       FROM store JOIN counter USING (one)`,
    ).get(this.ns) as [string, string | null, string, number];
    return { incarnation: `${incarnation}/${cleared ?? ''}`, copy, counter };
  }

  /** The statement with this text, prepared once. */
  sql<Row = unknown[]>(text: string): Statement<Row> {
    let statement = this.#statements.get(text);
    if (statement === undefined) {
      statement = this.db.prepare<unknown[], unknown[]>(withFixedPlan(text));
      if (statement.reader) statement.raw(true);
      this.#statements.set(text, statement);
    }
    return statement as unknown as Statement<Row>;
  }

  /** Whether a query returns a row. */
  exists(text: string, ...parameters: unknown[]): boolean {
    return this.value(text, ...parameters) !== undefined;
  }

  /** The first column of the first row of a query. */
  value(text: string, ...parameters: unknown[]): unknown {
    return this.sql(text).get(...parameters)?.[0];
  }

  get #database(): OpenedDatabase {
    if (this.#opened !== undefined) return this.#opened;
    throw new BusbarError('UNAVAILABLE', 'the file of the store is being opened again', { hint: 'Try again.' });
  }

  /**
   * If only the log or its index was removed, processes with another log must not write to the same file: that damages it.
   * So a copy of the present content takes the place of the file, and all processes open it.
   */
  #saveLog(): void {
    try {
      if (!this.#files.isMainInPlace()) this.#files.removeLog();
      else if (this.#files.isLogOurs) this.#files.replaceMain((copy) => copyDatabase(this.db, copy));
    } catch {
      // Another process has done it, or there is no room. Then the log is lost, which is reported.
    }
  }
}

/**
 * SQLite plans many statements again after each binding, since the value of `x=?` or `LIMIT ?` could lead to another plan. A
 * claim takes 1 µs instead of 24 where the parameter is part of an expression.
 */
function withFixedPlan(text: string): string {
  return text.replaceAll(/([=<>] ?)([?@])/g, '$1+$2').replaceAll(/LIMIT ([?@]\w*)/g, 'LIMIT $1+0');
}

/** The upper bound of all keys that start with `prefix`, in the order of UTF-8 bytes: 0xff is no byte of UTF-8. */
export function prefixEnd(prefix: string): Buffer {
  return Buffer.concat([Buffer.from(prefix), Buffer.of(0xff)]);
}
