/** The SQLite transport: many processes share one file. */

import { openTransport } from '@busbar/api/driver';
import type { Transport } from '@busbar/api/transport';
import { openDatabase } from './connection/database.ts';
import { Store } from './connection/store.ts';
import { type SqliteOptions, toSettings } from './options.ts';
import { SqliteDriver } from './sqlite-driver.ts';

export { type SurveyedNamespace, surveySqlite } from './admin/survey.ts';
export { parseSqliteUrl, type SqliteOptions } from './options.ts';

/** Opens the store in a SQLite file, creating it if needed. */
export async function openSqlite(options: SqliteOptions): Promise<Transport> {
  const settings = toSettings(options);
  return openTransport(new SqliteDriver(new Store(await openDatabase(settings), settings)), settings);
}
