/** The one connection of a transport, its prepared statements and what is constant about its store. */

import { statSync } from 'node:fs';
import type Database from 'better-sqlite3';
import type { Settings } from '../options.ts';
import type { Clock } from './clock.ts';
import type { OpenedDatabase } from './database.ts';

/** A prepared statement; one that returns rows gives them as arrays, without names. */
export type Statement<Row = unknown[]> = Database.Statement<unknown[], Row>;

export class Store {
  readonly db: Database.Database;
  readonly path: string;
  readonly storeId: string;
  readonly clock: Clock;
  readonly settings: Settings;
  readonly #identity: string;
  readonly #statements = new Map<string, Statement>();

  constructor(opened: OpenedDatabase, settings: Settings) {
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

  /** The statement of this text, prepared once. */
  sql<Row = unknown[]>(text: string): Statement<Row> {
    let statement = this.#statements.get(text);
    if (statement === undefined) {
      statement = this.db.prepare<unknown[], unknown[]>(text);
      if (statement.reader) statement.raw(true);
      this.#statements.set(text, statement);
    }
    return statement as unknown as Statement<Row>;
  }

  /** The first column of the first row that `text` gives. */
  value(text: string, ...parameters: unknown[]): unknown {
    return this.sql(text).get(...parameters)?.[0];
  }
}

/** What tells a file from every other. Looked at from outside: opening and closing it would drop SQLite's locks. */
function identify(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats === undefined ? 'none' : `${stats.dev}:${stats.ino}`;
}
