/** What a store holds, read by a process that does not use it. */

import { existsSync } from 'node:fs';
import Database from 'better-sqlite3';
import { APPLICATION_ID, FORMAT } from '../connection/schema.ts';
import { checkFiles } from '../connection/store-file.ts';
import { toStoreError } from '../errors.ts';

/** The messages in one namespace of a store. */
export interface SurveyedNamespace {
  /** Empty for the unnamed one. */
  readonly ns: string;
  /** Messages in inboxes, task queues and subscriptions that are not settled. */
  readonly messages: number;
  readonly dead: number;
}

const BUSY_MS = 500;
const COUNT = `SELECT ns, total(ready + delayed + leased + blocked), total(dead) FROM queue
  WHERE ns IS NOT NULL AND (name NOT LIKE '$%' OR name LIKE '$inbox.%' OR name LIKE '$sub.%') GROUP BY ns ORDER BY ns`;

/**
 * Counts the messages in a store without using it: the file keeps its content and its format. Undefined without a file, and for
 * a file that is no store of this format. Throws PERMISSION_DENIED for files of another user, UNAVAILABLE while it is locked.
 */
export function surveySqlite(file: string): readonly SurveyedNamespace[] | undefined {
  if (!existsSync(file)) return undefined;
  try {
    checkFiles(file);
    // A read-only connection would leave the files of the log behind.
    const db = new Database(file, { fileMustExist: true, timeout: BUSY_MS });
    try {
      db.pragma('query_only = 1');
      const pragma = (name: string): unknown => db.pragma(name, { simple: true });
      if (pragma('application_id') !== APPLICATION_ID || pragma('user_version') !== FORMAT) return undefined;
      const rows = db.prepare<[], [string, number, number]>(COUNT).raw().all();
      return rows.map(([ns, messages, dead]) => ({ ns, messages, dead }));
    } finally {
      db.close();
    }
  } catch (error) {
    const failure = toStoreError(error);
    if (failure.code === 'INVALID_ARGUMENT') return undefined;
    throw failure;
  }
}
