/** The URL of a bus that may move: `migrate:?from=…&to=…`, with names or percent-encoded URLs of two buses. */

import { didYouMean, invalid, quote } from '@busbar/api/transport';
import { checkNamespace, inNamespace } from './bus-url.ts';

const SCHEME = 'migrate:';
const FORM = 'Write migrate:?from=sqlite&to=redis. Encode inner URLs: sqlite%3A.%2Fbus.db.';
const KEYS = ['from', 'to', 'ns', 'waitForServerMs'];

/** The two buses. */
export interface MigrateUrl {
  readonly from: string;
  readonly to: string;
  readonly waitForServerMs: number | undefined;
}

export function isMigrateUrl(url: string): boolean {
  return url.startsWith(SCHEME);
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
  return `${SCHEME}?${parameters}`;
}

/** Parses a URL whose parts are complete. Its `ns` goes to each part without one. */
export function parseMigrateUrl(url: string): MigrateUrl {
  const parameters = parametersOf(url, 'the URL');
  const waitForServerMs = parameters.get('waitForServerMs');
  return { ...partsOf(parameters), waitForServerMs: waitForServerMs === null ? undefined : Number(waitForServerMs) };
}

function parametersOf(url: string, what: string): URLSearchParams {
  const [, address = '', query = ''] = /^migrate:([^?]*)\??(.*)$/s.exec(url) ?? [];
  if (address !== '') throw invalid(`${what} has an address, and a migrate bus has none`, FORM);
  const parameters = new URLSearchParams(query);
  const names = [...parameters.keys()];
  for (const [index, name] of names.entries()) {
    if (!KEYS.includes(name)) {
      throw invalid(`${what} has the unknown parameter ${quote(name)}`, `${didYouMean(name, KEYS)}${FORM}`);
    }
    if (names.indexOf(name) !== index) throw invalid(`${what} has the parameter ${name} twice`, FORM);
  }
  const missing = ['from', 'to'].find((name) => (parameters.get(name) ?? '') === '');
  if (missing !== undefined) throw invalid(`${what} has no parameter ${missing}`, FORM);
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
