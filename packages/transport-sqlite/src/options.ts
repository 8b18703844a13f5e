/** What a user may say when opening a store: types, defaults, and the check of them. */

import {
  checkBoolean,
  checkDuration,
  checkInteger,
  checkOneOf,
  checkOptions,
  invalid,
  MAX_DURATION_MS,
  quote,
} from '@busbar/api/transport';

/** How to open a store in a SQLite file. */
export interface SqliteOptions {
  /** The file. It and its folder are created where they are not there. */
  readonly file: string;
  /**
   * What an acknowledged write survives: `process` (default) a killed process, `power` also a loss of power, since the
   * file is synced before anything is acknowledged.
   */
  readonly durability?: 'process' | 'power';
  /** Isolates whole buses in one file. 1 to 64 characters `A-Z a-z 0-9 _ - @ / : + ~ .`. Default: the unnamed one. */
  readonly ns?: string;
  /** How much history of topics is kept, per namespace; what of it goes first goes by age of the event. */
  readonly retention?: RetentionOptions;
  /** How long the id of an event is remembered, 120,000 (2 min, the default) to 604,800,000 (7 d). */
  readonly topicDedupeMs?: number;
  /** Opens a file on a network file system all the same. Its locks must be known to work. Default false. */
  readonly allowNetworkFileSystem?: boolean;
  /** Gets what fails in the background, where no call could reject. Default: nothing is said; it is tried again. */
  readonly onError?: (error: Error) => void;
}

/** Bounds of the history of topics. */
export interface RetentionOptions {
  /** Default 604,800,000 (7 days). Infinity for no bound. */
  readonly maxAgeMs?: number;
  /** Default 1,000,000. Infinity for no bound. */
  readonly maxEvents?: number;
  /** Counts bodies and headers. Default 1,073,741,824 (1 GiB). Infinity for no bound. */
  readonly maxBytes?: number;
}

/** Options, complete. */
export interface Settings {
  readonly file: string;
  readonly durability: 'process' | 'power';
  readonly ns: string;
  readonly retention: Required<RetentionOptions>;
  readonly topicDedupeMs: number;
  readonly allowNetworkFileSystem: boolean;
  readonly onError: (error: Error) => void;
}

const KEYS = ['file', 'durability', 'ns', 'retention', 'topicDedupeMs', 'allowNetworkFileSystem', 'onError'];
const RETENTION_KEYS = ['maxAgeMs', 'maxEvents', 'maxBytes'];
const DEFAULT_RETENTION: Required<RetentionOptions> = {
  maxAgeMs: 604_800_000,
  maxEvents: 1_000_000,
  maxBytes: 1_073_741_824,
};
const NAMESPACE = /^[A-Za-z0-9_\-@/:+~.]{1,64}$/;

/** The settings that `options` make. Throws INVALID_ARGUMENT for what is not legal. */
export function toSettings(options: SqliteOptions): Settings {
  if (typeof options !== 'object' || options === null) {
    throw invalid('openSqlite needs options', "Give it at least the file: openSqlite({ file: './bus.db' }).");
  }
  checkOptions(options, KEYS, 'SQLite options');
  checkFile(options.file);
  checkOneOf(options.durability, 'durability', ['process', 'power']);
  checkNamespace(options.ns);
  checkDuration(options.topicDedupeMs, 'topicDedupeMs', { min: 120_000, max: 604_800_000 });
  checkBoolean(options.allowNetworkFileSystem, 'allowNetworkFileSystem');
  return Object.freeze({
    file: options.file,
    durability: options.durability ?? 'process',
    ns: options.ns ?? '',
    retention: toRetention(options.retention),
    topicDedupeMs: options.topicDedupeMs ?? 120_000,
    allowNetworkFileSystem: options.allowNetworkFileSystem ?? false,
    onError: options.onError ?? (() => undefined),
  });
}

function toRetention(retention: RetentionOptions | undefined): Required<RetentionOptions> {
  checkOptions(retention, RETENTION_KEYS, 'retention');
  checkDuration(retention?.maxAgeMs, 'retention.maxAgeMs', { min: 1000, max: MAX_DURATION_MS, infinity: true });
  const counts = { min: 1, max: Number.MAX_SAFE_INTEGER, infinity: true };
  checkInteger(retention?.maxEvents, 'retention.maxEvents', counts);
  checkInteger(retention?.maxBytes, 'retention.maxBytes', counts);
  return Object.freeze({ ...DEFAULT_RETENTION, ...retention });
}

function checkFile(file: unknown): void {
  if (typeof file !== 'string' || file === '' || file.includes('\0')) {
    throw invalid(`file is illegal: ${quote(file)}`, "Give the path of a file, such as './bus.db'.");
  }
  if (!file.startsWith(':') && !file.startsWith('file:')) return;
  throw invalid(`${quote(file)} is not the path of a file`, 'For a bus in memory use memory: instead of sqlite:.');
}

function checkNamespace(ns: unknown): void {
  if (ns === undefined || (typeof ns === 'string' && NAMESPACE.test(ns))) return;
  throw invalid(`ns is illegal: ${quote(ns)}`, 'Use 1 to 64 characters A-Z a-z 0-9 _ - @ / : + ~ and dots.');
}
