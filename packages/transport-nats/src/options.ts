/** What a user may say when opening a bus on NATS: types, defaults, and the check of them. */

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

/** How to open a bus on a NATS server, 2.9 or newer, with JetStream. */
export interface NatsOptions {
  /** Where it is: `host:port`, or several of one cluster. Default `127.0.0.1:4222`. */
  readonly servers?: readonly string[];
  readonly user?: string;
  readonly password?: string;
  /** Instead of user and password. */
  readonly token?: string;
  /** File with the seed of an nkey (`SU…`). */
  readonly nkey?: string;
  /** File with credentials: a JWT and a seed. Untested here. */
  readonly creds?: string;
  /** Connects by TLS only. Default: as the server wants it. */
  readonly tls?: TlsOptions;
  /** What the server's list of connections calls this one. Default `busbar`. */
  readonly clientName?: string;
  /** Isolates whole buses on one server. 1 to 64 characters `A-Z a-z 0-9 _ - @ / : + ~ .`. Default: the unnamed one. */
  readonly ns?: string;
  /** On how many servers of a cluster the stream is kept, 1 to 5. Default: as it is, 1 where it is made. */
  readonly replicas?: number;
  /** Where the server keeps the stream. Default: as it is, `file` where it is made. `memory` is gone with the server. */
  readonly storage?: 'file' | 'memory';
  /** What is expected: opening fails where it cannot be shown. Default: what the storage gives is declared. */
  readonly durability?: 'process' | 'power';
  /** How much history of topics is kept. Every client of a namespace must say the same. */
  readonly retention?: RetentionOptions;
  /** How long opening may take, 100 to 600,000. Default 10,000. */
  readonly connectTimeoutMs?: number;
}

/** How to connect by TLS. */
export interface TlsOptions {
  /** File with the certificates to trust. Default: those of the system. */
  readonly ca?: string;
  /** File with the certificate of this client, and that with its key. */
  readonly cert?: string;
  readonly key?: string;
}

/** Bounds of the history of topics. */
export interface RetentionOptions {
  /** Default 604,800,000 (7 days). */
  readonly maxAgeMs?: number;
  /** Default 1,000,000. */
  readonly maxEvents?: number;
  /** Counts bodies. Default 1,073,741,824 (1 GiB). */
  readonly maxBytes?: number;
}

/** Options, complete. */
export interface Settings {
  readonly servers: readonly string[];
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly token: string | undefined;
  readonly nkey: string | undefined;
  readonly creds: string | undefined;
  readonly tls: TlsOptions | undefined;
  readonly clientName: string;
  readonly ns: string;
  readonly replicas: number | undefined;
  readonly storage: 'file' | 'memory' | undefined;
  readonly durability: 'process' | 'power' | undefined;
  readonly retention: Required<RetentionOptions>;
  readonly connectTimeoutMs: number;
}

const KEYS = [
  'servers',
  'user',
  'password',
  'token',
  'nkey',
  'creds',
  'tls',
  'clientName',
  'ns',
  'replicas',
  'storage',
  'durability',
  'retention',
  'connectTimeoutMs',
];
const NAMESPACE = /^[A-Za-z0-9_\-@/:+~.]{1,64}$/;
const DEFAULT_RETENTION: Required<RetentionOptions> = {
  maxAgeMs: 604_800_000,
  maxEvents: 1_000_000,
  maxBytes: 1_073_741_824,
};

/** The settings that `options` make. Throws INVALID_ARGUMENT for what is not legal. */
export function toSettings(options: NatsOptions = {}): Settings {
  checkOptions(options, KEYS, 'NATS options');
  for (const name of ['user', 'nkey', 'creds'] as const) checkText(options[name], name, 4096);
  for (const name of ['password', 'token'] as const) checkSecret(options[name], name);
  checkIdentity(options);
  checkTls(options.tls);
  checkPattern(
    options.clientName,
    'clientName',
    /^[!-~]{1,64}$/,
    '1 to 64 printable characters of ASCII without spaces',
  );
  checkPattern(options.ns, 'ns', NAMESPACE, '1 to 64 characters A-Z a-z 0-9 _ - @ / : + ~ and dots');
  checkInteger(options.replicas, 'replicas', { min: 1, max: 5 });
  checkOneOf(options.storage, 'storage', ['file', 'memory']);
  checkOneOf(options.durability, 'durability', ['process', 'power']);
  checkDuration(options.connectTimeoutMs, 'connectTimeoutMs', { min: 100, max: 600_000 });
  const { servers = ['127.0.0.1:4222'], clientName = 'busbar', ns = '', connectTimeoutMs = 10_000 } = options;
  const { user, password, token, nkey, creds, tls, replicas, storage, durability } = options;
  return Object.freeze({
    servers: toServers(servers),
    ...{ user, password, token, nkey, creds, replicas, storage, durability, clientName, ns, connectTimeoutMs },
    tls: tls && Object.freeze({ ...tls }),
    retention: toRetention(options.retention),
  });
}

function checkIdentity({ user, password, token, nkey, creds }: NatsOptions): void {
  if ((user === undefined) !== (password === undefined))
    throw invalid('user and password belong together', 'Give both.');
  const ways = [user, token, nkey, creds].filter((way) => way !== undefined);
  if (ways.length > 1)
    throw invalid('more than one way to log in', 'Give user and password, or token, or nkey, or creds.');
}

function toServers(servers: readonly string[]): readonly string[] {
  if (!Array.isArray(servers) || servers.length === 0 || servers.length > 100) {
    throw invalid('servers must be an array of 1 to 100', "Write ['127.0.0.1:4222'].");
  }
  return Object.freeze(servers.map(toServer));
}

function toServer(server: unknown): string {
  const [, six, name, digits] =
    typeof server === 'string' ? (/^(?:\[([0-9a-fA-F:.]+)\]|([^\s:@/?#[\]]+))(?::(\d{1,5}))?$/.exec(server) ?? []) : [];
  const host = six === undefined ? name : `[${six}]`;
  const port = digits === undefined ? 4222 : Number(digits);
  if (host !== undefined && host.length <= 255 && port >= 1 && port <= 65_535) return `${host}:${port}`;
  throw invalid(`illegal server ${quote(server)}`, 'Write host:port, such as 127.0.0.1:4222 or [::1]:4222.');
}

function toRetention(retention: RetentionOptions | undefined): Required<RetentionOptions> {
  checkOptions(retention, Object.keys(DEFAULT_RETENTION), 'retention');
  checkDuration(retention?.maxAgeMs, 'retention.maxAgeMs', { min: 1000, max: MAX_DURATION_MS });
  checkInteger(retention?.maxEvents, 'retention.maxEvents', { min: 1, max: 10_000_000 });
  checkInteger(retention?.maxBytes, 'retention.maxBytes', { min: 1, max: 2 ** 50 });
  return Object.freeze({ ...DEFAULT_RETENTION, ...retention });
}

function checkTls(tls: TlsOptions | undefined): void {
  checkOptions(tls, ['ca', 'cert', 'key'], 'tls');
  for (const name of ['ca', 'cert', 'key'] as const) checkText(tls?.[name], `tls.${name}`, 4096);
  if ((tls?.cert === undefined) !== (tls?.key === undefined)) {
    throw invalid('tls.cert and tls.key belong together', 'Give both files, or none.');
  }
}

/** Its value stays out of the error. */
function checkSecret(value: unknown, name: string): void {
  if (value === undefined || (typeof value === 'string' && value !== '' && value.length <= 4096)) return;
  throw invalid(`${name} is illegal`, 'Use 1 to 4,096 characters.');
}

function checkPattern(value: unknown, name: string, pattern: RegExp, legal: string): void {
  if (value === undefined || (typeof value === 'string' && pattern.test(value))) return;
  throw invalid(`illegal ${name} ${quote(value)}`, `Use ${legal}.`);
}
