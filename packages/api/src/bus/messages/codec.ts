/** Codecs: how the body of a message becomes bytes and back. */

import { invalid } from '../../contract/errors.ts';

/** Turns values into bytes and back. One bus reads with every codec it knows and writes with the first. */
export interface Codec {
  /** What it writes into `contentType`, such as `application/json`. */
  readonly contentType: string;
  /** Throws where `value` cannot be carried without loss. */
  encode(value: unknown): Uint8Array;
  /** Throws where `bytes` are not its own. */
  decode(bytes: Uint8Array): unknown;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/**
 * JSON in UTF-8. `undefined` as a whole is an empty body. What JSON would change or drop without a word is refused with
 * INVALID_ARGUMENT: NaN and the infinities, BigInt, functions, symbols, Map, Set, cycles and lone surrogates; Date becomes
 * its ISO text, `undefined` members are left out, -0 is 0.
 */
export const jsonCodec: Codec = {
  contentType: 'application/json',
  encode(value) {
    if (value === undefined) return new Uint8Array(0);
    return encoder.encode(toJson(value));
  },
  decode(bytes) {
    if (bytes.byteLength === 0) return undefined;
    return JSON.parse(decoder.decode(bytes)) as unknown;
  },
};

function toJson(value: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value, refuseLossy);
  } catch (error) {
    if (error instanceof TypeError) throw notJson(error.message.split('\n')[0] ?? 'a cycle');
    throw error;
  }
  if (text === undefined) throw notJson(`a ${typeof value}`);
  return text;
}

function refuseLossy(key: string, value: unknown): unknown {
  switch (typeof value) {
    case 'number':
      if (!Number.isFinite(value)) throw notJson(`${value}${where(key)}`);
      return value;
    case 'string':
      if (!value.isWellFormed()) throw notJson(`a lone surrogate${where(key)}`);
      return value;
    case 'bigint':
    case 'function':
    case 'symbol':
      throw notJson(`a ${typeof value}${where(key)}`);
    case 'object':
      if (value instanceof Map || value instanceof Set) throw notJson(`a ${value.constructor.name}${where(key)}`);
      return value;
    default:
      return value;
  }
}

function where(key: string): string {
  return key === '' ? '' : ` at ${JSON.stringify(key)}`;
}

function notJson(what: string): Error {
  return invalid(`the body cannot be carried as JSON: ${what}`, 'Send plain JSON data, or give the bus another codec.');
}
