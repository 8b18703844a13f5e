/** What a user may say when opening a bus on Redis: types, defaults, and the check of them. */

import {
  checkDuration,
  checkInteger,
  checkOneOf,
  checkOptions,
  checkText,
  invalid,
  MAX_DURATION_MS,
  quote,
} from '@busbar/api/transport';

/** How to open a bus on a Redis server, 7.0 or newer. */
export interface RedisOptions {
  /**
   * Where it is: `host:port`. Several are nodes of a Redis Cluster, or sentinels where `master` is given. Default
   * `127.0.0.1:6379`.
   */
  readonly servers?: readonly string[];
  /** The Unix socket it listens on, instead of `servers`. */
  readonly socket?: string;
  /** `servers` are sentinels, which are asked for the master of this name. */
  readonly master?: string;
  readonly user?: string;
  readonly password?: string;
  readonly sentinelUser?: string;
  readonly sentinelPassword?: string;
  /** The number of the database, 0 (default) to 2^31-1. A cluster has only 0. */
  readonly database?: number;
  /** Connects by TLS. Default: without. */
  readonly tls?: TlsOptions;
  /** What the server's list of clients calls this one. Default `busbar`. */
  readonly clientName?: string;
  /** Isolates whole buses on one server. 1 to 64 characters `A-Z a-z 0-9 _ - @ / : + ~ .`. Default: the unnamed one. */
  readonly ns?: string;
  /**
   * What is expected of the server: opening fails where its settings do not show that an acknowledged write survives a
   * killed process (`process`) or a loss of power (`power`). Default: what the server is set to is declared.
   */
  readonly durability?: 'process' | 'power';
  /** How much history of topics is kept, per namespace. */
  readonly retention?: RetentionOptions;
  /** How long the id of an event is remembered, 120,000 (2 min, the default) to 604,800,000 (7 d). */
  readonly topicDedupeMs?: number;
  /** The largest body, 524,288 to 536,870,912; a server that takes less lowers it. Default 16,777,216 (16 MiB). */
  readonly maxBodyBytes?: number;
  /** How long opening may take, 100 to 600,000. Default 10,000. */
  readonly connectTimeoutMs?: number;
  /** A server that owes an answer for this long is taken for lost, and connected to anew; 500 to 600,000. Default 5,000. */
  readonly silenceMs?: number;
  /** Gets what fails in the background, where no call could reject. Default: nothing is said; it is tried again. */
  readonly onError?: (error: Error) => void;
}

/** How to connect by TLS. */
export interface TlsOptions {
  /** File with the certificates to trust. Default: those of the system. */
  readonly ca?: string;
  /** File with the certificate of this client, and that with its key. */
  readonly cert?: string;
  readonly key?: string;
  /** The name that the certificate of the server must have. Default: the host. */
  readonly serverName?: string;
}

/** Bounds of the history of topics. */
export interface RetentionOptions {
  /** Default 604,800,000 (7 days). Infinity for no bound. */
  readonly maxAgeMs?: number;
  /** Default 1,000,000. Infinity for no bound. */
  readonly maxEvents?: number;
  /** Counts bodies and headers. Default 268,435,456 (256 MiB): it lies in memory. Infinity for no bound. */
  readonly maxBytes?: number;
}

/** Where a server is. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Options, complete. */
export interface Settings {
  readonly servers: readonly Address[];
  readonly socket: string | undefined;
  readonly master: string | undefined;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly sentinelUser: string | undefined;
  readonly sentinelPassword: string | undefined;
  readonly database: number;
  readonly tls: TlsOptions | undefined;
  readonly clientName: string;
  readonly ns: string;
  readonly durability: 'process' | 'power' | undefined;
  readonly retention: Required<RetentionOptions>;
  readonly topicDedupeMs: number;
  readonly maxBodyBytes: number;
  readonly connectTimeoutMs: number;
  readonly silenceMs: number;
  readonly onError: (error: Error) => void;
}

const KEYS = [
  'servers',
  'socket',
  'master',
  'user',
  'password',
  'sentinelUser',
  'sentinelPassword',
  'database',
  'tls',
  'clientName',
  'ns',
  'durability',
  'retention',
  'topicDedupeMs',
  'maxBodyBytes',
  'connectTimeoutMs',
  'silenceMs',
  'onError',
];
const SECRETS = ['password', 'sentinelPassword'] as const;
const NAMESPACE = /^[A-Za-z0-9_\-@/:+~.]{1,64}$/;
const DEFAULT_RETENTION: Required<RetentionOptions> = {
  maxAgeMs: 604_800_000,
  maxEvents: 1_000_000,
  maxBytes: 268_435_456,
};

/** The settings that `options` make. Throws INVALID_ARGUMENT for what is not legal. */
export function toSettings(options: RedisOptions = {}): Settings {
  checkOptions(options, KEYS, 'Redis options');
  for (const name of ['socket', 'master', 'user', 'sentinelUser'] as const) checkText(options[name], name, 1024);
  for (const name of SECRETS) checkSecret(options[name], name);
  checkClientName(options.clientName);
  checkInteger(options.database, 'database', { min: 0, max: 2_147_483_647 });
  checkTls(options.tls);
  checkNamespace(options.ns);
  checkOneOf(options.durability, 'durability', ['process', 'power']);
  checkDuration(options.topicDedupeMs, 'topicDedupeMs', { min: 120_000, max: 604_800_000 });
  checkInteger(options.maxBodyBytes, 'maxBodyBytes', { min: 524_288, max: 536_870_912 });
  checkDuration(options.connectTimeoutMs, 'connectTimeoutMs', { min: 100, max: 600_000 });
  checkDuration(options.silenceMs, 'silenceMs', { min: 500, max: 600_000 });
  if (options.onError !== undefined && typeof options.onError !== 'function') {
    throw invalid('onError must be a function', 'Leave it out for the default.');
  }
  checkTogether(options);
  return Object.freeze({
    servers: toAddresses(options.servers ?? ['127.0.0.1:6379'], options.master === undefined ? 6379 : 26_379),
    socket: options.socket,
    master: options.master,
    user: options.user,
    password: options.password,
    sentinelUser: options.sentinelUser,
    sentinelPassword: options.sentinelPassword,
    database: options.database ?? 0,
    tls: options.tls && Object.freeze({ ...options.tls }),
    clientName: options.clientName ?? 'busbar',
    ns: options.ns ?? '',
    durability: options.durability,
    retention: toRetention(options.retention),
    topicDedupeMs: options.topicDedupeMs ?? 120_000,
    maxBodyBytes: options.maxBodyBytes ?? 16_777_216,
    connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
    silenceMs: options.silenceMs ?? 5_000,
    onError: options.onError ?? (() => undefined),
  });
}

function checkTogether({
  socket,
  servers,
  master,
  user,
  password,
  sentinelPassword,
  sentinelUser,
}: RedisOptions): void {
  if (socket !== undefined && (servers !== undefined || master !== undefined)) {
    throw invalid('socket excludes servers and master', 'Name one way to the server.');
  }
  if (user !== undefined && password === undefined) throw invalid('a user needs a password', 'Give both.');
  if (master === undefined && (sentinelPassword !== undefined || sentinelUser !== undefined)) {
    throw invalid('sentinelPassword and sentinelUser need master', 'Name the master that the sentinels watch.');
  }
}

function toAddresses(servers: readonly string[], port: number): readonly Address[] {
  if (!Array.isArray(servers) || servers.length === 0 || servers.length > 1000) {
    throw invalid('servers must be an array of 1 to 1,000', "Write ['127.0.0.1:6379'].");
  }
  return Object.freeze(servers.map((server) => toAddress(server, port)));
}

function toAddress(server: unknown, defaultPort: number): Address {
  const [, six, name, digits] =
    typeof server === 'string' ? (/^(?:\[([0-9a-fA-F:.]+)\]|([^\s:@/?#[\]]+))(?::(\d{1,5}))?$/.exec(server) ?? []) : [];
  const host = six ?? name;
  const port = digits === undefined ? defaultPort : Number(digits);
  if (host !== undefined && host.length <= 255 && port >= 1 && port <= 65_535) return Object.freeze({ host, port });
  throw invalid(`illegal server ${quote(server)}`, 'Write host:port, such as 127.0.0.1:6379 or [::1]:6379.');
}

function toRetention(retention: RetentionOptions | undefined): Required<RetentionOptions> {
  checkOptions(retention, Object.keys(DEFAULT_RETENTION), 'retention');
  checkDuration(retention?.maxAgeMs, 'retention.maxAgeMs', { min: 1000, max: MAX_DURATION_MS, infinity: true });
  const counts = { min: 1, max: Number.MAX_SAFE_INTEGER, infinity: true };
  checkInteger(retention?.maxEvents, 'retention.maxEvents', counts);
  checkInteger(retention?.maxBytes, 'retention.maxBytes', counts);
  return Object.freeze({ ...DEFAULT_RETENTION, ...retention });
}

function checkTls(tls: TlsOptions | undefined): void {
  checkOptions(tls, ['ca', 'cert', 'key', 'serverName'], 'tls');
  for (const name of ['ca', 'cert', 'key', 'serverName'] as const) checkText(tls?.[name], `tls.${name}`, 4096);
  if ((tls?.cert === undefined) !== (tls?.key === undefined)) {
    throw invalid('tls.cert and tls.key belong together', 'Give both files, or none.');
  }
}

/** Its value stays out of the error. */
function checkSecret(value: unknown, name: string): void {
  if (value === undefined || (typeof value === 'string' && value !== '' && value.length <= 4096)) return;
  throw invalid(`${name} is illegal`, 'Use 1 to 4,096 characters.');
}

function checkClientName(name: unknown): void {
  if (name === undefined || (typeof name === 'string' && /^[!-~]{1,64}$/.test(name))) return;
  throw invalid(`illegal clientName ${quote(name)}`, 'Use 1 to 64 printable characters of ASCII without spaces.');
}

function checkNamespace(ns: unknown): void {
  if (ns === undefined || (typeof ns === 'string' && NAMESPACE.test(ns))) return;
  throw invalid(`illegal ns ${quote(ns)}`, 'Use 1 to 64 characters A-Z a-z 0-9 _ - @ / : + ~ and dots.');
}
