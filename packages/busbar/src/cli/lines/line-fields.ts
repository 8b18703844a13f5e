/** Reads a line of JSON whose keys are names of flags. */

import { didYouMean, invalid, quote } from '@busbar/api/transport';
import { parseBody } from '../exact-json.ts';
import { type FlagSpec, type FlagTable, type FlagValues, toFlagValue } from '../input/flag-values.ts';

/** What a line says: its own keys, and flags of the verb. */
export interface LineFields<T extends FlagTable> {
  /** The keys that are no flags, such as `to` and `body`. */
  readonly own: Readonly<Record<string, unknown>>;
  /** Only the flags that the line has. */
  readonly flags: Partial<FlagValues<T>>;
}

/** Parses a line with the keys `own` and the flags of `table`. Throws INVALID_ARGUMENT. */
export function parseLine<T extends FlagTable>(line: string, own: readonly string[], table: T): LineFields<T> {
  const fields = parseObject(line);
  const flags: Record<string, unknown> = {};
  const others: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(fields)) {
    const spec = Object.hasOwn(table, key) ? table[key] : undefined;
    if (own.includes(key)) others[key] = value;
    else if (spec !== undefined) flags[key] = toValue(key, spec, value);
    else throw unknownKey(key, [...own, ...Object.keys(table)]);
  }
  return { own: others, flags: flags as Partial<FlagValues<T>> };
}

/** The text in `value`, of the key `name`. Throws INVALID_ARGUMENT. */
export function textOf(value: unknown, name: string): string {
  if (typeof value === 'string') return value;
  throw invalid(`${name} is not text: ${quote(value)}`, `Write "${name}":"…".`);
}

function parseObject(line: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    if (isObject(value)) return 'body' in value ? { ...value, body: (parseBody(line) as typeof value)['body'] } : value;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw invalid(`not JSON: ${error.message}`, 'Each line must be one JSON object.');
  }
  throw invalid('not a JSON object', 'Write {"body":"hello"}, with the names of flags as keys.');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function toValue(key: string, spec: FlagSpec, value: unknown): unknown {
  if (spec.kind === 'switch') {
    if (typeof value === 'boolean') return value;
    throw invalid(`${key} is not true or false: ${quote(value)}`, `Write "${key}":true.`);
  }
  return toFlagValue(key, spec, toTexts(key, spec, value));
}

/** The value as a command line has it. */
function toTexts(key: string, spec: FlagSpec, value: unknown): string[] {
  if (spec.kind === 'pairs') {
    const pairs = isObject(value) ? Object.entries(value) : undefined;
    if (pairs?.every(([, text]) => typeof text === 'string')) return pairs.map(([name, text]) => `${name}=${text}`);
    throw invalid(`${key} is not an object of texts: ${quote(value)}`, `Write "${key}":{"name":"value"}.`);
  }
  if (spec.kind === 'integer' && typeof value === 'number') return [String(value)];
  if (spec.kind === 'duration' && typeof value === 'number')
    throw invalid(`${key} has no unit: ${value}`, `Write it as text: "${key}":"30s".`);
  return [textOf(value, key)];
}

function unknownKey(key: string, keys: readonly string[]): Error {
  return invalid(`unknown key ${quote(key)}`, `${didYouMean(key, keys)}The keys are ${keys.join(', ')}.`);
}
