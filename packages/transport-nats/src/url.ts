/** A URL such as `nats://localhost:4222?ns=team-a` as options. */

import { invalid, quote } from '@busbar/api/transport';
import { type NatsOptions, type TlsOptions, toSettings } from './options.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const FORM =
  'Write nats://[user:password@ | token@]host[:port][,host[:port]…][?parameter=value&…], or tls://; % is written %25.';
const TEXTS = ['ns', 'clientName', 'storage', 'durability', 'nkey', 'creds'] as const;
const NUMBERS = ['replicas', 'connectTimeoutMs'] as const;
const RETENTION = ['maxAgeMs', 'maxEvents', 'maxBytes'] as const;
const TLS = ['ca', 'cert', 'key'] as const;
const PARAMETERS: readonly string[] = [...TEXTS, ...NUMBERS, ...RETENTION, ...TLS];

/** The options in a URL `nats://` or `tls://`. No text of an error holds what may be a secret. */
export function parseNatsUrl(url: string): NatsOptions {
  const [, scheme, login, hosts, query] =
    typeof url === 'string'
      ? (/^(nats|tls):(?:\/\/(?:([^/?#]*)@)?([^/?#@]*)\/?)?(?:\?([^#]*))?$/i.exec(url) ?? [])
      : [];
  if (scheme === undefined) throw invalid('this is no URL of a NATS server', FORM);
  const options: Mutable<NatsOptions> = {};
  if (hosts) options.servers = hosts.split(',').map((host) => decode(host, 'host'));
  if (login) readLogin(login, options);
  if (scheme.toLowerCase() === 'tls') options.tls = {};
  readParameters(new URLSearchParams(query ?? ''), options);
  toSettings(options);
  return options;
}

function readLogin(text: string, options: Mutable<NatsOptions>): void {
  const cut = text.indexOf(':');
  if (cut < 0) {
    options.token = decode(text, 'token');
    return;
  }
  options.user = decode(text.slice(0, cut), 'user');
  options.password = decode(text.slice(cut + 1), 'password');
}

function readParameters(parameters: URLSearchParams, options: Mutable<NatsOptions>): void {
  const retention: Record<string, number> = {};
  const tls: Mutable<TlsOptions> = { ...options.tls };
  for (const [name, value] of parameters) {
    if (!PARAMETERS.includes(name)) {
      throw invalid(`a nats: URL has no parameter ${quote(name)}`, `Its parameters are ${PARAMETERS.join(', ')}.`);
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
    throw invalid(`the parameter ${Object.keys(tls).join(', ')} is for TLS`, 'Write tls:// for a connection by TLS.');
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
  const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
  if (!Number.isNaN(number)) return number;
  throw invalid(`${name} is not a number: ${quote(value)}`, 'Write digits.');
}
