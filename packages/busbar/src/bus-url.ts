/** Work on the URL of a bus: its namespace, and its secrets (rule RA6). */

import { option } from '@busbar/api/driver';

const NAMESPACE = option.ns('in one store');

/** A parameter of a URL. No part of it can match in two ways, so a long text takes linear time. */
const PARAMETER = /([?&;])([^?=&;#\s]*)=[^&;#\s]*/g;
const SECRET = /pass|secret|token|key|auth|credential|nkey|jwt/i;
/** Slashes after these begin a path, which has no user. */
const PATH = /\/$|\b(?:sqlite|file):$/;
const MAX_SCHEME = 8;

/** Masks users, passwords and secret parameters in a URL, or in text with URLs. */
export function maskUrl(text: string): string {
  return text
    .replace(/\S+/g, maskUser)
    .replace(PARAMETER, (whole, mark: string, name: string) => (SECRET.test(name) ? `${mark}${name}=***` : whole));
}

/** Masks up to the last @ of a word, since a password may contain unescaped characters. */
function maskUser(word: string): string {
  const end = word.lastIndexOf('@');
  for (let at = word.indexOf('//'); at !== -1 && at < end - 1; at = word.indexOf('//', at + 1)) {
    if (PATH.test(word.slice(Math.max(0, at - MAX_SCHEME), at))) continue;
    return `${word.slice(0, at)}//***${word.slice(end)}`;
  }
  return word;
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
