/** A URL such as `redis://localhost:6379/2?ns=team-a` as options. */

import { invalid, quote } from '@busbar/api/transport';
import { type RedisOptions, type TlsOptions, toSettings } from './options.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const FORM =
  'Write redis://[user[:password]@]host[:port][,host[:port]…][/database][?parameter=value&…], or rediss:// for TLS; % is written %25.';
const TEXTS = ['ns', 'clientName', 'socket', 'master', 'durability', 'sentinelUser', 'sentinelPassword'] as const;
const NUMBERS = ['topicDedupeMs', 'maxBodyBytes', 'connectTimeoutMs', 'silenceMs'] as const;
const RETENTION = ['maxAgeMs', 'maxEvents', 'maxBytes'] as const;
const TLS = ['ca', 'cert', 'key', 'serverName'] as const;
const PARAMETERS: readonly string[] = [...TEXTS, ...NUMBERS, ...RETENTION, ...TLS];

/**
 * The options in a URL `redis://` or `rediss://` (TLS). Several hosts are the nodes of a cluster, or with the parameter
 * `master` sentinels. No text of an error holds what may be a secret.
 */
export function parseRedisUrl(url: string): RedisOptions {
  const [, scheme, user, hosts, path, query] =
    typeof url === 'string'
      ? (/^(rediss?):(?:\/\/(?:([^/?#]*)@)?([^/?#@]*))?(?:\/([^?#]*))?(?:\?([^#]*))?$/i.exec(url) ?? [])
      : [];
  if (scheme === undefined) throw invalid('this is no URL of a Redis server', FORM);
  const options: Mutable<RedisOptions> = {};
  if (hosts) options.servers = hosts.split(',').map((host) => decode(host, 'host'));
  if (user) readUser(user, options);
  if (path) options.database = toNumber('database', path);
  if (scheme.toLowerCase() === 'rediss') options.tls = {};
  readParameters(new URLSearchParams(query ?? ''), options);
  toSettings(options);
  return options;
}

function readUser(text: string, options: Mutable<RedisOptions>): void {
  const cut = text.indexOf(':');
  const user = decode(cut < 0 ? text : text.slice(0, cut), 'user');
  const password = cut < 0 ? '' : decode(text.slice(cut + 1), 'password');
  if (user !== '') options.user = user;
  if (password === '') throw invalid('the URL has a user and no password', FORM);
  options.password = password;
}

function readParameters(parameters: URLSearchParams, options: Mutable<RedisOptions>): void {
  const retention: Record<string, number> = {};
  const tls: Mutable<TlsOptions> = { ...options.tls };
  for (const [name, value] of parameters) {
    if (!PARAMETERS.includes(name)) {
      throw invalid(`a redis: URL has no parameter ${quote(name)}`, `Its parameters are ${PARAMETERS.join(', ')}.`);
    }
    if (parameters.getAll(name).length > 1) throw invalid(`the parameter ${name} is given twice`, 'Give it once.');
    if (isOneOf(TEXTS, name)) Object.assign(options, { [name]: value });
    else if (isOneOf(NUMBERS, name)) options[name] = toNumber(name, value);
    else if (isOneOf(TLS, name)) tls[name] = value;
    else retention[name] = toNumber(name, value);
  }
  if (Object.keys(retention).length > 0) options.retention = retention;
  if (options.tls !== undefined) options.tls = tls;
  else if (Object.keys(tls).length > 0) {
    throw invalid(
      `the parameter ${Object.keys(tls).join(', ')} is for TLS`,
      'Write rediss:// for a connection by TLS.',
    );
  }
}

function isOneOf<T extends string>(names: readonly T[], name: string): name is T {
  return (names as readonly string[]).includes(name);
}

function decode(text: string, what: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid(`the ${what} in the URL has a bad percent escape`, 'Write % as %25.');
  }
}

function toNumber(name: string, value: string): number {
  const number = /^(\d+|Infinity)$/.test(value) ? Number(value) : Number.NaN;
  if (!Number.isNaN(number)) return number;
  throw invalid(`${name} is not a number: ${quote(value)}`, 'Write digits, or Infinity where it is legal.');
}
