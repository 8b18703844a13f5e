/** Options of the NATS transport: types, table, URL. */

import {
  type CompleteOptions,
  decodeUrlPart,
  defineOptions,
  type OptionTable,
  option,
  parseServerAddress,
  type RetentionOptions,
  readServerUrl,
  type TlsOptions,
} from '@busbar/api/driver';
import { invalid } from '@busbar/api/transport';

/** How to open a bus on a NATS server, 2.12 or newer, with JetStream. */
export interface NatsOptions {
  /** Addresses `host:port` of one server or of the servers of one cluster. Default `127.0.0.1:4222`. */
  readonly servers?: readonly string[] | undefined;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  /** Instead of user and password. */
  readonly token?: string | undefined;
  /** File with the seed of an nkey (`SU…`). */
  readonly nkey?: string | undefined;
  /** File with credentials: a JWT and a seed. Not tested. */
  readonly creds?: string | undefined;
  /** Connects only with TLS. Default: the server decides whether TLS is used. */
  readonly tls?: TlsOptions | undefined;
  /** Monitoring port of the server, such as `http://127.0.0.1:8222`: `busbar doctor` reads `sync_interval` there. */
  readonly monitor?: string | undefined;
  /** Name of this client in the server's list of connections. Default `busbar`. */
  readonly clientName?: string | undefined;
  /** The first tokens of the subjects for replies, which the server must permit. Default `_INBOX`. */
  readonly inboxPrefix?: string | undefined;
  /** Isolates whole buses on one server. 1 to 64 characters `A-Z a-z 0-9 _ - @ / : + ~ .`. Default: the unnamed one. */
  readonly ns?: string | undefined;
  /** Replicas of the streams in a cluster, 1 to 5. Default: those of existing streams, 1 for new ones. */
  readonly replicas?: number | undefined;
  /**
   * Replicas of the consumers' state in a cluster, 1 to 5. Default: as many as the streams. Mailboxes, whose names begin with
   * `$`, have 1.
   */
  readonly consumerReplicas?: number | undefined;
  /** Storage of the streams. Default: that of existing streams, `file` for new ones. `memory` is lost when the server stops. */
  readonly storage?: 'file' | 'memory' | undefined;
  /** The required durability: opening fails if the server does not give it. Default: the durability of the storage. */
  readonly durability?: 'process' | 'power' | undefined;
  /** How much history of topics is kept. A given bound changes the stream. */
  readonly retention?: RetentionOptions | undefined;
  /** How long a topic remembers the id of an event, 120,000 to 604,800,000. A given time changes the stream. */
  readonly topicDedupeMs?: number | undefined;
  /** How long connecting to a server that answers may take, 100 to 600,000. Default 10,000. */
  readonly connectTimeoutMs?: number | undefined;
  /** How long opening waits for a server that cannot be reached, Infinity for no limit. Default 0: it fails at once. */
  readonly waitForServerMs?: number | undefined;
  /** The time-out of each call to the store that has none of its own, 100 to 2^31-1, Infinity for no limit. Default 30,000. */
  readonly callTimeoutMs?: number | undefined;
}

/** The complete options. */
export interface Settings extends Complete {
  /** The options that the caller gave: they change the stream of topics. The stream keeps its values of the others. */
  readonly given: { readonly retention: boolean; readonly topicDedupeMs: boolean };
}

type Complete = CompleteOptions<
  NatsOptions,
  | ('user' | 'password' | 'token' | 'nkey' | 'creds' | 'tls')
  | ('monitor' | 'replicas' | 'consumerReplicas' | 'storage' | 'durability')
>;

const WHERE = 'in a URL: before the host';

/** The options of this transport. */
export const OPTIONS: OptionTable<NatsOptions, Complete> = defineOptions({
  transport: 'NATS',
  scheme: 'nats',
  options: {
    servers: option.custom({
      meaning: 'addresses `host:port` of one server or of the servers of one cluster',
      default: Object.freeze(['127.0.0.1:4222']) as readonly string[],
      shown: '`127.0.0.1:4222`',
      where: 'the host',
      check: toServers,
    }),
    user: option.text<string | undefined>({ meaning: 'user name', default: undefined, max: 4096, where: WHERE }),
    password: option.secret({ meaning: 'its password', default: undefined, where: WHERE }),
    token: option.secret({ meaning: 'instead of user and password', default: undefined, where: WHERE }),
    nkey: option.file('a file with a seed'),
    creds: option.file('a file with a JWT and a seed; not tested'),
    tls: option.tls('PEM files; without it the server decides whether TLS is used'),
    clientName: option.clientName("the server's list of connections"),
    inboxPrefix: option.pattern({
      meaning: 'the first tokens of the subjects for replies: a user can have one of its own',
      default: '_INBOX',
      pattern: /^[A-Za-z0-9_-]{1,64}(\.[A-Za-z0-9_-]{1,64}){0,7}$/,
      legal: '1 to 8 tokens A-Z a-z 0-9 _ - with dots between them',
    }),
    ns: option.ns('on one server'),
    replicas: option.count<number | undefined>({
      meaning: 'replicas of the streams in a cluster, 1 to 5',
      default: undefined,
      shown: '1 for new streams',
      min: 1,
      max: 5,
    }),
    consumerReplicas: option.count<number | undefined>({
      meaning: "replicas of the consumers' state",
      default: undefined,
      shown: 'as the streams; 1 for mailboxes',
      min: 1,
      max: 5,
    }),
    storage: option.choice<'file' | 'memory' | undefined>({
      meaning: '`memory` is lost when the server stops',
      default: undefined,
      shown: '`file` for new streams',
      choices: ['file', 'memory'],
    }),
    durability: option.choice<'process' | 'power' | undefined>({
      meaning: '`process`: opening fails where a stream is in memory; `power` is always refused',
      default: undefined,
      shown: 'what the storage gives',
      choices: ['process', 'power'],
    }),
    retention: option.retention(
      { maxEvents: 1_000_000, maxBytes: Number.POSITIVE_INFINITY, maxAgeMs: 604_800_000 },
      'the history of topics; what is given changes the stream, and the server reserves storage for `maxBytes`',
    ),
    topicDedupeMs: option.topicDedupeMs(),
    connectTimeoutMs: option.connectTimeoutMs(),
    waitForServerMs: option.waitForServerMs(),
    callTimeoutMs: option.callTimeoutMs(),
    monitor: option.custom<string | undefined>({
      meaning: 'monitoring port of the server, `http://host:8222`: `busbar doctor` reads `sync_interval` there',
      default: undefined,
      check: toMonitor,
    }),
  },
});

/** The complete settings. Throws INVALID_ARGUMENT for an illegal option. */
export function toSettings(options?: NatsOptions): Settings {
  const settings = OPTIONS.complete(options);
  const { user, password, token, nkey, creds } = settings;
  if ((user === undefined) !== (password === undefined))
    throw invalid('user and password belong together', 'Give both.');
  const ways = [user, token, nkey, creds].filter((way) => way !== undefined);
  if (ways.length > 1)
    throw invalid('more than one way to log in', 'Give user and password, or token, or nkey, or creds.');
  const { retention, topicDedupeMs } = options ?? {};
  const given = { retention: retention !== undefined, topicDedupeMs: topicDedupeMs !== undefined };
  return Object.freeze({ ...settings, given });
}

const FORM =
  'Write nats://[user:password@ | token@]host[:port][,host[:port]…][?parameter=value&…], or tls://; % is written %25.';

/** The options in a URL `nats://` or `tls://`. Error texts never contain parts that may be secret. */
export function parseNatsUrl(url: string): NatsOptions {
  const parts = readServerUrl<NatsOptions>(url, { plain: 'nats', secure: 'tls', form: FORM, table: OPTIONS });
  const { login, path } = parts;
  if (path !== undefined) throw invalid('a nats: URL has no path', FORM);
  const options: NatsOptions = { ...parts.options, ...(login !== undefined && readLogin(login)) };
  toSettings(options);
  return options;
}

function readLogin(text: string): NatsOptions {
  const cut = text.indexOf(':');
  if (cut < 0) return { token: decodeUrlPart(text, 'the token') };
  return {
    user: decodeUrlPart(text.slice(0, cut), 'the user'),
    password: decodeUrlPart(text.slice(cut + 1), 'the password'),
  };
}

function toServers(servers: unknown): readonly string[] {
  if (!Array.isArray(servers) || servers.length === 0 || servers.length > 100) {
    throw invalid('servers must be an array of 1 to 100', "Write ['127.0.0.1:4222'].");
  }
  return Object.freeze(servers.map(toServer));
}

function toServer(server: unknown): string {
  const { host, port } = parseServerAddress(server, 4222);
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** No error shows its value: it may contain a password. */
function toMonitor(monitor: unknown, name: string): string {
  if (typeof monitor === 'string' && /^https?:\/\/[^\s/?#@]{1,255}(\/[^\s?#@]{0,255})?$/.test(monitor)) return monitor;
  throw invalid(`${name} is illegal`, 'Write http://host:port or https://host:port, without a user.');
}
