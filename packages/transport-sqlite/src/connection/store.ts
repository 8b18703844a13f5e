/** The open store: the connection, its prepared statements, and constants such as the store id. */

import { statSync } from 'node:fs';
import type Database from 'better-sqlite3';
import type { SqliteSettings } from '../options.ts';
import type { Clock } from './clock.ts';
import type { OpenedDatabase } from './database.ts';

/** A prepared statement. It returns rows as arrays. */
export type Statement<Row = unknown[]> = Database.Statement<unknown[], Row>;

export class Store {
  readonly db: Database.Database;
  readonly path: string;
  readonly storeId: string;
  readonly clock: Clock;
  readonly settings: SqliteSettings;
  readonly #identity: string;
  readonly #statements = new Map<string, Statement>();

  constructor(opened: OpenedDatabase, settings: SqliteSettings) {
    this.db = opened.db;
    this.path = opened.path;
    this.storeId = opened.storeId;
    this.clock = opened.clock;
    this.settings = settings;
    this.#identity = identify(opened.path);
  }

  /** Whether the path still leads to the file that was opened. */
  isInPlace(): boolean {
    return identify(this.path) === this.#identity;
  }

  get ns(): string {
    return this.settings.ns;
  }

  /** The statement with this text, prepared once. */
  sql<Row = unknown[]>(text: string): Statement<Row> {
    let statement = this.#statements.get(text);
    if (statement === undefined) {
      statement = this.db.prepare<unknown[], unknown[]>(text);
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
}

/** Identifies the file at `path` by stat: opening and closing it would drop SQLite's locks. */
function identify(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats === undefined ? 'none' : `${stats.dev}:${stats.ino}`;
}

/** The upper bound of all keys that start with `prefix`, in the order of UTF-8 bytes: 0xff is no byte of UTF-8. */
export function prefixEnd(prefix: string): Buffer {
  return Buffer.concat([Buffer.from(prefix), Buffer.of(0xff)]);
}
