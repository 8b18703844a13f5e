/**
 * Work on the URL of a bus: its namespace, its secrets (rule RA6), and checks of settings that may contain one. A whole URL is
 * masked by position, also if it is broken.
 */

import { option } from '@busbar/api/driver';
import { invalid } from '@busbar/api/transport';

const NAMESPACE = option.ns('in one store');

const SECRET = /pass|secret|token|key|auth|credential|nkey|jwt/i;
// The start of a parameter. Its value ends at & only, since a secret may contain every other character unescaped.
const NAME = /[?&;]([^=;?#]*)=/g;
const FILE_SCHEME = /(?:^|[^\w])(?:sqlite|file):$/;
/** A part of the URL of a composed bus, with an escape in it. */
const PART = /([?&](?:from|to|fast|durable|of|log)=)([^&\s]*%[^&\s]*)/g;
/** A URL of a server whose slashes are missing. */
const BARE = /((?:^|[^\w])(?:rediss?|nats|tls|wss?|websocket|zmq|zeromq):)(?!\/\/)[^\s@]*@/gi;
const PUNCTUATION = /["'):,.;]*$/;

/** The parameters of composed buses that are URLs. */
const PARTS = ['from', 'to', 'fast', 'durable', 'of', 'log', 'store'];
const FILE_SCHEMES = ['sqlite', 'file', 'memory', 'unix', 'ipc'];
const COMPOSED_SCHEMES = ['migrate', 'hybrid', 'audit'];
/** Names of parameters that are masked in the URL of a server. */
const SECRET_PARAMETER = /pass|pwd|secret|token|key|auth|cred|jwt|seed/i;
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

/** Masks users, passwords and secret parameters in a URL, or in text with URLs. Takes time in proportion to its length. */
export function maskUrl(text: string): string {
  if (!/[/?&;@]/.test(text)) return text;
  return text.replace(/\S+/g, (word) => maskParameters(maskUser(word.replace(PART, maskPart).replace(BARE, '$1***@'))));
}

/** A part of a composed URL is a URL itself. One without secrets stays as it is. */
function maskPart(parameter: string, name: string, value: string): string {
  const part = decodePart(value);
  const masked = maskUrl(part);
  return masked === part ? parameter : `${name}${encodeURIComponent(masked)}`;
}

/** A value that is no legal escape may still contain a secret. */
function decodePart(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value.replaceAll('%', '');
  }
}

/** Up to the last @ of the word, since a password may contain unescaped characters. File paths have no user. */
function maskUser(word: string): string {
  const end = word.lastIndexOf('@');
  for (let at = word.indexOf('//'); at !== -1 && at < end; at = word.indexOf('//', at + 1)) {
    if (word[at - 1] === '/' || FILE_SCHEME.test(word.slice(Math.max(0, at - 8), at))) continue;
    return `${word.slice(0, at)}//***${word.slice(end)}`;
  }
  return word;
}

function maskParameters(word: string): string {
  if (!SECRET.test(word)) return word;
  return word
    .split(/(?=&)/)
    .map((part) => {
      if (!SECRET.test(part)) return part;
      const named = [...part.matchAll(NAME)].find(([, name = '']) => SECRET.test(name));
      if (named === undefined) return part;
      const end = named.index + named[0].length;
      return `${part.slice(0, end)}***${PUNCTUATION.exec(part.slice(end).slice(-8))?.[0] ?? ''}`;
    })
    .join('');
}

/** Throws INVALID_ARGUMENT unless `ns` is a legal namespace; `name` stands in the error. */
export function checkNamespace(ns: unknown, name: string): asserts ns is string {
  NAMESPACE.check(ns, name);
}

/** `url` with this namespace instead of its own. */
export function inNamespace(url: string, ns: string): string {
  return withParameter(url, 'ns', ns);
}

/** `url` with this value of a parameter instead of its own. */
export function withParameter(url: string, name: string, value: string): string {
  const [, address = '', query = ''] = /^([^?]*)\??(.*)$/s.exec(url) ?? [];
  const parameters = new URLSearchParams(query);
  parameters.set(name, value);
  return `${address}?${parameters}`;
}

const QUOTES = /^["'`“”‘’]|["'`“”‘’]$/;

/** Throws INVALID_ARGUMENT for white space or quotes at the ends. The error does not show the text. */
export function checkSetting(text: string, what: string): void {
  if (/\r\n?$/.test(text)) {
    const hint = 'Its file has the line ends of Windows (CRLF). Convert them to LF.';
    throw invalid(`${what} has a carriage return at its end`, hint);
  }
  if (text !== text.trim()) throw invalid(`${what} has white space at its ends`, 'Remove it.');
  if (QUOTES.test(text))
    throw invalid(`${what} has quotes at its ends`, 'Remove them: some readers of .env files keep them.');
}

/** Throws INVALID_ARGUMENT for control characters. The error does not show the text. */
export function checkControlCharacters(text: string, what: string): void {
  if (/\p{Cc}/u.test(text)) throw invalid(`${what} has a control character`, 'Remove it.');
}

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
  if (SECRET_PARAMETER.test(name) && name !== CREDENTIALS_FILE) return `${pair.slice(0, at)}=***`;
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
