/** Work on the URL of a bus: its namespace, its secrets (rule RA6), and checks of settings that may contain one. */

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
