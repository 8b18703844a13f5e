/** The SQLite backend: many processes over one file. */

import { openTransport } from '@busbar/api/driver';
import type { Transport } from '@busbar/api/transport';
import { openDatabase } from './connection/database.ts';
import { Store } from './connection/store.ts';
import { type SqliteOptions, toSettings } from './options.ts';
import { SqliteDriver } from './sqlite-driver.ts';

export type { RetentionOptions, SqliteOptions } from './options.ts';
export { parseSqliteUrl } from './url.ts';

/** Opens the store in a SQLite file, which is created where it is not there. */
export async function openSqlite(options: SqliteOptions): Promise<Transport> {
  const settings = toSettings(options);
  return openTransport(new SqliteDriver(new Store(await openDatabase(settings), settings)));
}
