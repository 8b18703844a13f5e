/** A URL such as `sqlite:./bus.db?durability=power` as options. */

import { invalid, quote } from '@busbar/api/transport';
import type { SqliteOptions } from './options.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const PARAMETERS = [
  'durability',
  'ns',
  'maxAgeMs',
  'maxEvents',
  'maxBytes',
  'topicDedupeMs',
  'allowNetworkFileSystem',
] as const;
const FORM = 'Write sqlite:./bus.db, sqlite:///absolute/path.db or sqlite:path?durability=power.';

/**
 * The options in a URL: `sqlite:` and a path, relative to the working directory or absolute (`sqlite:///path`), percent-
 * encoded, with the parameters durability, ns, maxAgeMs, maxEvents, maxBytes, topicDedupeMs, allowNetworkFileSystem.
 */
export function parseSqliteUrl(url: string): SqliteOptions {
  if (typeof url !== 'string' || !/^sqlite:/i.test(url)) {
    throw invalid(`${quote(url)} is not a sqlite: URL`, FORM);
  }
  const rest = url.slice('sqlite:'.length);
  const cut = rest.indexOf('?');
  const path = cut < 0 ? rest : rest.slice(0, cut);
  const options: Mutable<SqliteOptions> = { file: toPath(path) };
  if (cut >= 0) readParameters(new URLSearchParams(rest.slice(cut + 1)), options);
  return options;
}

function toPath(text: string): string {
  if (text.includes('#')) throw invalid('a sqlite: URL has no fragment', 'Write %23 for # in a path.');
  const path = decode(text);
  if (path === ':memory:' || path === '') {
    const why = path === '' ? 'the URL names no file' : 'a store in memory cannot be shared';
    throw invalid(`sqlite:${path}: ${why}`, path === '' ? FORM : 'For a bus in memory use memory: instead.');
  }
  if (!path.startsWith('//')) return path;
  if (path.startsWith('///')) return path.slice(2);
  throw invalid(`${quote(`sqlite:${text}`)} names a host`, 'A file of this machine has three slashes: sqlite:///path.');
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw invalid(`illegal percent-encoding in ${quote(text)}: ${String(cause)}`, 'Write %25 for a percent sign.');
  }
}

function readParameters(parameters: URLSearchParams, options: Mutable<SqliteOptions>): void {
  const retention: Record<string, number> = {};
  for (const [name, value] of parameters) {
    if (parameters.getAll(name).length > 1)
      throw invalid(`the parameter ${quote(name)} is given twice`, 'Give it once.');
    if (name === 'durability') options.durability = value as 'process' | 'power';
    else if (name === 'ns') options.ns = value;
    else if (name === 'topicDedupeMs') options.topicDedupeMs = toNumber(name, value);
    else if (name === 'allowNetworkFileSystem') options.allowNetworkFileSystem = toBoolean(name, value);
    else if (name === 'maxAgeMs' || name === 'maxEvents' || name === 'maxBytes') {
      retention[name] = toNumber(name, value);
    } else throw unknown(name);
  }
  if (Object.keys(retention).length > 0) options.retention = retention;
}

function toNumber(name: string, value: string): number {
  const number = /^(\d+|Infinity)$/.test(value) ? Number(value) : Number.NaN;
  if (!Number.isNaN(number)) return number;
  throw invalid(`the parameter ${name} is not a number: ${quote(value)}`, 'Write digits, or Infinity.');
}

function toBoolean(name: string, value: string): boolean {
  if (value === 'true' || value === 'false') return value === 'true';
  throw invalid(`the parameter ${name} is illegal: ${quote(value)}`, 'Write true or false.');
}

function unknown(name: string): Error {
  return invalid(`a sqlite: URL has no parameter ${quote(name)}`, `Its parameters are ${PARAMETERS.join(', ')}.`);
}
