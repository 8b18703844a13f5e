/** The URL of a bus without its secrets (rule RA6), also if it is broken: what is shown is decided by position. */

import { maskUrl } from './bus-url.ts';

/** The parameters of composed buses that are URLs. */
const PARTS = ['from', 'to', 'fast', 'durable', 'of', 'log', 'store'];
const FILE_SCHEMES = ['sqlite', 'file', 'memory', 'unix', 'ipc'];
const COMPOSED_SCHEMES = ['migrate', 'hybrid', 'audit'];
const SECRET = /pass|pwd|secret|token|key|auth|cred|jwt|seed/i;
/** The parameter of NATS that is the name of a file. */
const CREDENTIALS_FILE = 'creds';

/** How deep composed buses are shown inside of each other. */
const MAX_DEPTH = 8;

const URL_FORM = /^([a-z][a-z0-9+.-]*):(.*)$/is;
const SERVER_URL = /^(?:\/\/(?:([^/?#@\s]*)@)?([^/?#@\s]*)(\/[^?#@\s]*)?)?(\?[^#\s]*)?$/;
const HOST = /^(?:\[[\da-f:.]+\]|[^:[\]]+)(?::\d{1,5})?$/i;
/** What may follow the last @ of a broken URL. */
const ADDRESS = /^(?:\[[\da-f:.]+\]|[\w.-]+)(?::\d{1,5})?(?:\/\d*)?$/i;
const ARGUMENT = /^(--[\w-]+=)?((?:rediss?|nats|tls|wss?|websocket|zmq|zeromq|migrate|hybrid|audit):.*)$/is;

/** Masks the secrets of `url`, which is the whole URL of a bus, or was meant to be one. */
export function maskBusUrl(url: string): string {
  return maskAt(url, 0);
}

function maskAt(url: string, depth: number): string {
  if (depth > MAX_DEPTH) return '***';
  const text = url.trim();
  const [, scheme = '', rest = ''] = URL_FORM.exec(text) ?? [];
  if (scheme === '') return maskUrl(text).replace(/^.*[:/].*@/s, '***@');
  const name = scheme.toLowerCase();
  if (FILE_SCHEMES.includes(name)) return `${scheme}:${maskAfterPath(rest)}`;
  if (COMPOSED_SCHEMES.includes(name)) return `${scheme}:${maskComposed(rest, depth)}`;
  if (name === 'zmq' && /^(?:ipc|tcp):/i.test(rest)) return `${scheme}:${maskAt(rest, depth + 1)}`;
  const isFile = name === 'ws' && !rest.startsWith('//') && !rest.includes('@');
  return `${scheme}:${isFile ? maskAfterPath(rest) : maskServer(rest, /^(?:ws|websocket)/.test(name))}`;
}

/** Masks the secrets of an argument of the command. */
export function maskArgument(argument: string): string {
  const [, flag = '', url] = ARGUMENT.exec(argument) ?? [];
  return url === undefined ? maskUrl(argument) : `${flag}${maskBusUrl(url)}`;
}

/** `//login@hosts/path?parameters`. A part that does not look like itself may be a piece of the password. */
function maskServer(rest: string, hasPath: boolean): string {
  const slashes = rest.startsWith('//') ? '//' : '';
  const [isUrl, login, hosts = '', path = '', query = ''] = SERVER_URL.exec(rest) ?? [];
  const isWhole = hosts === '' || hosts.split(',').every((host) => HOST.test(host));
  const isPath = hasPath || /^(?:\/\d*)?$/.test(path);
  if (isUrl !== undefined && isWhole && isPath && (login !== undefined || !query.includes('@')))
    return `${slashes}${login === undefined ? '' : '***@'}${hosts}${path}${maskQuery(query)}`;
  const end = rest.lastIndexOf('@');
  const address = rest.slice(end + 1);
  return end !== -1 && ADDRESS.test(address) ? `${slashes}***@${address}` : `${slashes}***`;
}

function maskComposed(rest: string, depth: number): string {
  return rest.startsWith('?') && !/\s/.test(rest) ? maskQuery(rest, depth) : '***';
}

function maskAfterPath(rest: string): string {
  const start = rest.indexOf('?');
  return start === -1 ? rest : rest.slice(0, start) + maskQuery(rest.slice(start));
}

/** Parameters keep their names. A piece without a name may belong to a secret with an unescaped `&`. */
function maskQuery(query: string, depth = 0): string {
  if (query.length <= 1) return query;
  const pairs = query.slice(1).split('&');
  return `?${pairs.map((pair) => (pair === '' ? '' : maskParameter(pair, depth))).join('&')}`;
}

function maskParameter(pair: string, depth: number): string {
  const at = pair.indexOf('=');
  const [name, value] = [decode(pair.slice(0, at)), pair.slice(at + 1)];
  if (at === -1 || name === undefined) return '***';
  if (SECRET.test(name) && name !== CREDENTIALS_FILE) return `${pair.slice(0, at)}=***`;
  if (!PARTS.includes(name)) return pair.includes('@') ? '***' : maskUrl(pair);
  const part = decode(value);
  if (part === undefined) return `${name}=***`;
  const masked = maskAt(part, depth + 1);
  if (masked === part) return pair;
  return `${name}=${value === part ? masked : encodeURIComponent(masked)}`;
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
