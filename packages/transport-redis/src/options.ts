/** Options of the Redis transport: types, table, URL. */

import {
  type CompleteOptions,
  decodeUrlPart,
  defineOptions,
  type OptionTable,
  option,
  parseServerAddress,
  type RetentionOptions,
  readServerUrl,
  type ServerAddress,
  type TlsOptions,
} from '@busbar/api/driver';
import { invalid } from '@busbar/api/transport';

/** How to open a bus on a Redis server, 7.0 or newer. */
export interface RedisOptions {
  /**
   * Addresses `host:port`. Several are nodes of a Redis Cluster, or sentinels if `master` is set. Default `127.0.0.1:6379`.
   */
  readonly servers?: readonly string[] | undefined;
  /** Path of the server's Unix socket, instead of `servers`. */
  readonly socket?: string | undefined;
  /** Name of the master that the sentinels in `servers` watch. */
  readonly master?: string | undefined;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly sentinelUser?: string | undefined;
  readonly sentinelPassword?: string | undefined;
  /** Number of the database, 0 (default) to 2^31-1. A cluster has only 0. */
  readonly database?: number | undefined;
  /** Connects by TLS. Default: no TLS. */
  readonly tls?: TlsOptions | undefined;
  /** Name of this client in `CLIENT LIST`. Default `busbar`. */
  readonly clientName?: string | undefined;
  /** Isolates whole buses on one server. 1 to 64 characters `A-Z a-z 0-9 _ - @ / : + ~ .`. Default: the unnamed one. */
  readonly ns?: string | undefined;
  /**
   * Opening fails unless the server's settings show that an acknowledged write survives a killed process (`process`) or a loss
   * of power (`power`). Default: the durability that the settings show.
   */
  readonly durability?: 'process' | 'power' | undefined;
  /** How much history of topics is kept, in memory. Default: 1,000,000 events, 256 MiB, 7 days. */
  readonly retention?: RetentionOptions | undefined;
  /** How long a topic remembers the id of an event, 120,000 (2 min, the default) to 604,800,000 (7 d). */
  readonly topicDedupeMs?: number | undefined;
  /** The largest body, 524,288 to 536,870,912; the server's limit lowers it. Default 16,777,216 (16 MiB). */
  readonly maxBodyBytes?: number | undefined;
  /** How long connecting to a server that answers may take, 100 to 600,000. Default 10,000. */
  readonly connectTimeoutMs?: number | undefined;
  /** How long opening waits for a server that cannot be reached, Infinity for no limit. Default 0: it fails at once. */
  readonly waitForServerMs?: number | undefined;
  /** The time-out of each call to the store that has none of its own, 100 to 2^31-1, Infinity for no limit. Default 30,000. */
  readonly callTimeoutMs?: number | undefined;
  /** A connection is replaced if the server neither replies nor takes a large request for this long, 500 to 600,000. Default 5,000. */
  readonly silenceMs?: number | undefined;
}

type CheckedOptions = CompleteOptions<
  RedisOptions,
  'servers' | 'socket' | 'master' | 'user' | 'password' | 'sentinelUser' | 'sentinelPassword' | 'tls' | 'durability'
>;

/** Options, complete. */
export interface Settings extends Omit<CheckedOptions, 'servers'> {
  readonly servers: readonly ServerAddress[];
}

export const OPTIONS: OptionTable<RedisOptions, CheckedOptions> = defineOptions({
  transport: 'Redis',
  scheme: 'redis',
  options: {
    servers: option.custom<readonly string[] | undefined>({
      meaning: 'addresses `host:port`: one server, or several nodes of a cluster, or sentinels with `master`',
      default: undefined,
      shown: '`127.0.0.1:6379`',
      where: 'in a URL: the hosts',
      check: checkServers,
    }),
    socket: option.text({ meaning: "path of the server's Unix socket, instead of `servers`", default: undefined }),
    master: option.text({ meaning: 'name of the master that the sentinels watch', default: undefined }),
    user: option.text({ meaning: 'ACL user', default: undefined, where: 'in a URL: before the host' }),
    password: option.secret({ meaning: 'its password', default: undefined, where: 'in a URL: before the host' }),
    sentinelUser: option.text({ meaning: 'ACL user on the sentinels', default: undefined }),
    sentinelPassword: option.secret({ meaning: 'its password', default: undefined }),
    database: option.count({
      meaning: 'number of the database; a cluster has only 0',
      default: 0,
      min: 0,
      max: 2_147_483_647,
      where: 'in a URL: the path',
    }),
    tls: option.tls('PEM files, and the name in the certificate of the server; in a URL the scheme is `rediss`'),
    clientName: option.clientName('`CLIENT LIST`'),
    ns: option.ns('on one server'),
    durability: option.choice<'process' | 'power' | undefined>({
      meaning: '`process` or `power`: opening fails unless the settings of the server show it',
      default: undefined,
      shown: 'what the server shows',
      choices: ['process', 'power'],
    }),
    retention: option.retention(
      { maxEvents: 1_000_000, maxBytes: 268_435_456, maxAgeMs: 604_800_000 },
      'the history of topics that is kept, in memory',
    ),
    topicDedupeMs: option.topicDedupeMs(),
    maxBodyBytes: option.bytes({
      meaning: 'the largest body; the limit of the server (`proto-max-bulk-len`) lowers it',
      default: 16_777_216,
      min: 524_288,
      max: 536_870_912,
    }),
    connectTimeoutMs: option.connectTimeoutMs(),
    waitForServerMs: option.waitForServerMs(),
    callTimeoutMs: option.callTimeoutMs(),
    silenceMs: option.duration({
      meaning: 'a connection is replaced if the server neither replies nor takes a large request for this long',
      default: 5_000,
      min: 500,
      max: 600_000,
    }),
  },
  refused: { maxLength: 'Set maxLength with queues.configure.' },
});

/** The complete settings. Throws INVALID_ARGUMENT for an illegal option. */
export function toSettings(options?: RedisOptions): Settings {
  const { servers, ...checked } = OPTIONS.complete(options);
  checkTogether({ servers, ...checked });
  const defaultPort = checked.master === undefined ? 6379 : 26_379;
  const addresses = (servers ?? ['127.0.0.1']).map((server) => parseServerAddress(server, defaultPort));
  return Object.freeze({ ...checked, servers: Object.freeze(addresses) });
}

const FORM =
  'Write redis://[user[:password]@]host[:port][,host[:port]…][/database][?parameter=value&…], or rediss:// for TLS; % is written %25.';

/**
 * The options in a URL `redis://` or `rediss://` (TLS). Several hosts are nodes of a cluster, or sentinels with the parameter
 * `master`. Errors never show a part of the URL that may be secret.
 */
export function parseRedisUrl(url: string): RedisOptions {
  const parts = readServerUrl<RedisOptions>(url, { plain: 'redis', secure: 'rediss', form: FORM, table: OPTIONS });
  const { login, path } = parts;
  const options: RedisOptions = {
    ...parts.options,
    ...(login !== undefined && readUser(login)),
    ...(path !== undefined && { database: readDatabase(path) }),
  };
  toSettings(options);
  return options;
}

function readUser(text: string): Pick<RedisOptions, 'user' | 'password'> {
  const cut = text.indexOf(':');
  const user = decodeUrlPart(cut < 0 ? text : text.slice(0, cut), 'the user');
  const password = cut < 0 ? '' : decodeUrlPart(text.slice(cut + 1), 'the password');
  if (password === '') throw invalid('the URL has a user and no password', FORM);
  return user === '' ? { password } : { user, password };
}

function readDatabase(path: string): number {
  if (/^\d+$/.test(path)) return Number(path);
  throw invalid('the path of the URL is not a database number', 'Write digits, such as redis://localhost:6379/2.');
}

function checkServers(value: unknown, name: string): readonly string[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > 1000) {
    throw invalid(`${name} must be an array of 1 to 1,000`, "Write ['127.0.0.1:6379'].");
  }
  for (const server of value) parseServerAddress(server, 1);
  return Object.freeze([...value]);
}

function checkTogether(options: CheckedOptions): void {
  const { socket, servers, master, user, password, sentinelUser, sentinelPassword } = options;
  if (socket !== undefined && (servers !== undefined || master !== undefined)) {
    throw invalid('socket excludes servers and master', 'Give one way to the server.');
  }
  if (user !== undefined && password === undefined) throw invalid('a user needs a password', 'Give both.');
  if (master === undefined && (sentinelPassword !== undefined || sentinelUser !== undefined)) {
    throw invalid('sentinelPassword and sentinelUser need master', 'Name the master that the sentinels watch.');
  }
}
