/** Work on the URL of a bus: its namespace, and its secrets (rule RA6). */

import { option } from '@busbar/api/driver';

const NAMESPACE = option.ns('in one store');

const SECRET_PARAMETERS =
  /([?&;](?:[^=&;#\s]*(?:pass|secret|token|key|auth|credential|nkey|jwt)[^=&;#\s]*)=)[^&;#\s]*/gi;

// Matches up to the last @ of the word, since a password may contain unescaped characters. File paths have no user.
const USER = /(?<!\/|\b(?:sqlite|file):)\/\/\S*@/g;

/** Masks users, passwords and secret parameters in a URL, or in text with URLs. */
export function maskUrl(text: string): string {
  return text.replace(USER, '//***@').replace(SECRET_PARAMETERS, '$1***');
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
