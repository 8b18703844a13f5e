/** Options of the SQLite transport, and its URLs. */

import {
  type CompleteOptions,
  checkFilePath,
  defineOptions,
  type OptionTable,
  option,
  type RetentionOptions,
  readUrlPath,
} from '@busbar/api/driver';
import { invalid } from '@busbar/api/transport';

/** How to open a store in a SQLite file. */
export interface SqliteOptions {
  /** The file. It and its folder are created if needed. */
  readonly file: string;
  /**
   * What an acknowledged write survives: `process` (default) a killed process, `power` also a power loss, since the file
   * is synced before a write is acknowledged.
   */
  readonly durability?: 'process' | 'power' | undefined;
  /** Isolates whole buses in one file. 1 to 64 characters `A-Z a-z 0-9 _ - @ / : + ~ .`. Default: the unnamed one. */
  readonly ns?: string | undefined;
  /** How much history of topics is kept, per namespace. Default: 1,000,000 events, 1 GiB, 7 days. */
  readonly retention?: RetentionOptions | undefined;
  /** How long a topic remembers the id of an event, 120,000 (2 min, the default) to 604,800,000 (7 d). */
  readonly topicDedupeMs?: number | undefined;
  /** Opens a file on a network file system. Its locks must be known to work. Default false. */
  readonly allowNetworkFileSystem?: boolean | undefined;
  /** The time-out of each call to the store that has none of its own, 100 to 2^31-1, Infinity for no limit. Default 30,000. */
  readonly callTimeoutMs?: number | undefined;
}

/** Options, complete. */
export type SqliteSettings = CompleteOptions<SqliteOptions>;

export const OPTIONS: OptionTable<SqliteOptions, SqliteSettings> = defineOptions({
  transport: 'SQLite',
  scheme: 'sqlite',
  options: {
    file: option.custom({
      meaning: 'created with mode 0600 if needed, in a folder with mode 0700',
      default: '',
      shown: 'required',
      where: 'in a URL: the path',
      check: checkFile,
    }),
    durability: option.choice({
      meaning: 'what an acknowledged write survives: `kill -9` (`process`), or also a power loss (`power`)',
      default: 'process',
      choices: ['process', 'power'],
    }),
    ns: option.ns('in one file'),
    retention: option.retention({ maxEvents: 1_000_000, maxBytes: 1_073_741_824, maxAgeMs: 604_800_000 }),
    topicDedupeMs: option.topicDedupeMs(),
    allowNetworkFileSystem: option.flag({
      meaning: 'opens a file on NFS, SMB, FUSE and the like, whose locks must be known to work',
      default: false,
    }),
    callTimeoutMs: option.callTimeoutMs(),
  },
  refused: {
    maxLength: 'Set maxLength of each queue with configure.',
    maxBodyBytes: 'Bodies of up to 16 MiB are stored; keep larger data elsewhere.',
    tls: 'A file has no connection. Protect it with file permissions and disk encryption.',
  },
});

/** Completes the options. Throws INVALID_ARGUMENT for invalid ones. */
export function toSettings(options: SqliteOptions): SqliteSettings {
  const settings = OPTIONS.complete(options);
  if (settings.file !== '') return settings;
  throw invalid('openSqlite needs the path of a file', "Pass it as an option: openSqlite({ file: './bus.db' }).");
}

/**
 * The options in a URL: `sqlite:` and a percent-encoded path, relative to the working directory or absolute
 * (`sqlite:///path`), with the options as parameters: `sqlite:./bus.db?durability=power`.
 */
export function parseSqliteUrl(url: string): SqliteOptions {
  const [, path, query] = /^sqlite:([^?]*)(?:\?(.*))?$/is.exec(url) ?? [];
  if (path === undefined) {
    throw invalid(
      'this is not a sqlite: URL',
      'Write sqlite:./bus.db, sqlite:///absolute/path.db or sqlite:path?durability=power.',
    );
  }
  const options = { file: checkFile(readUrlPath(path, 'sqlite'), 'file'), ...OPTIONS.readQuery(query ?? '') };
  OPTIONS.complete(options);
  return options;
}

function checkFile(file: unknown, name: string): string {
  checkFilePath(file, name);
  return file;
}
