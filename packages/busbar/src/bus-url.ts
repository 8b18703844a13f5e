/** Work on the URL of a bus: its namespace, its secrets (rule RA6), and checks of settings that may contain one. */

import { option } from '@busbar/api/driver';
import { didYouMean, invalid, quote } from '@busbar/api/transport';

const NAMESPACE = option.ns('in one store');

const SECRET = /pass|secret|token|key|auth|credential|nkey|jwt/i;
// The start of a parameter. Its value ends at & only, since a secret may contain every other character unescaped.
const NAME = /[?&;]([^=;?#]*)=/g;
const FILE_SCHEME = /(?:^|[^\w])(?:sqlite|file):$/;
/** A part of a `migrate:` URL with an escape in it. */
const PART = /([?&](?:from|to)=)([^&\s]*%[^&\s]*)/g;
const PUNCTUATION = /["'):,.;]*$/;

/** Masks users, passwords and secret parameters in a URL, or in text with URLs. Takes time in proportion to its length. */
export function maskUrl(text: string): string {
  if (!/[/?&;]/.test(text)) return text;
  return text.replace(/\S+/g, (word) => maskParameters(maskUser(word.replace(PART, maskPart))));
}

/** A part of a `migrate:` URL is a URL itself. One without secrets stays as it is. */
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

const MIGRATE = 'migrate:';
const MIGRATE_FORM = 'Write migrate:?from=sqlite&to=redis. Encode inner URLs: sqlite%3A.%2Fbus.db.';
const MIGRATE_KEYS = ['from', 'to', 'ns', 'waitForServerMs'];

/** The two buses. */
export interface MigrateUrl {
  readonly from: string;
  readonly to: string;
  readonly waitForServerMs: number | undefined;
}

export function isMigrateUrl(url: string): boolean {
  return url.startsWith(MIGRATE);
}

/** The same URL with complete URLs as its parts, as `resolve` finds them. */
export function resolveMigrateUrl(url: string, what: string, resolve: (part: string, what: string) => string): string {
  const parameters = parametersOf(url, what);
  for (const key of ['from', 'to']) {
    const part = resolve(parameters.get(key) ?? '', `${key} of ${what}`);
    if (isMigrateUrl(part)) {
      throw invalid(`${key} of ${what} is a migrate bus itself`, 'Name the buses between which it moves.');
    }
    parameters.set(key, part);
  }
  const { from, to } = partsOf(parameters);
  if (from === to) throw invalid(`from and to of ${what} are the same bus`, 'Name two buses.');
  return `${MIGRATE}?${parameters}`;
}

/** Parses a URL whose parts are complete. Its `ns` goes to each part without one. */
export function parseMigrateUrl(url: string): MigrateUrl {
  const parameters = parametersOf(url, 'the URL');
  const waitForServerMs = parameters.get('waitForServerMs');
  return { ...partsOf(parameters), waitForServerMs: waitForServerMs === null ? undefined : Number(waitForServerMs) };
}

function parametersOf(url: string, what: string): URLSearchParams {
  const [, address = '', query = ''] = /^migrate:([^?]*)\??(.*)$/s.exec(url) ?? [];
  if (address !== '') throw invalid(`${what} has an address, and a migrate bus has none`, MIGRATE_FORM);
  const parameters = new URLSearchParams(query);
  const names = [...parameters.keys()];
  for (const [index, name] of names.entries()) {
    if (!MIGRATE_KEYS.includes(name)) {
      throw invalid(
        `${what} has the unknown parameter ${quote(name)}`,
        `${didYouMean(name, MIGRATE_KEYS)}${MIGRATE_FORM}`,
      );
    }
    if (names.indexOf(name) !== index) throw invalid(`${what} has the parameter ${name} twice`, MIGRATE_FORM);
  }
  const missing = ['from', 'to'].find((name) => (parameters.get(name) ?? '') === '');
  if (missing !== undefined) throw invalid(`${what} has no parameter ${missing}`, MIGRATE_FORM);
  const wait = parameters.get('waitForServerMs');
  if (wait !== null && !(Number(wait) >= 0)) {
    throw invalid(`waitForServerMs of ${what} is illegal: ${quote(wait)}`, 'Use milliseconds.');
  }
  return parameters;
}

function partsOf(parameters: URLSearchParams): { from: string; to: string } {
  const ns = parameters.get('ns');
  if (ns !== null) checkNamespace(ns, 'ns');
  const part = (name: string): string => {
    const url = parameters.get(name) ?? '';
    return ns === null || /[?&]ns=/.test(url) ? url : inNamespace(url, ns);
  };
  return { from: part('from'), to: part('to') };
}
