/** Codecs of message bodies. */

import { invalid } from '../../contract/errors.ts';

/** Encodes values as bytes and decodes them. A bus encodes with its first codec and decodes with all of them. */
export interface Codec {
  /** The content type of its bodies, such as `application/json`. */
  readonly contentType: string;
  /** Throws for a value that it cannot encode without loss. */
  encode(value: unknown): Uint8Array;
  /** Throws for bytes that it did not encode. */
  decode(bytes: Uint8Array): unknown;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/**
 * JSON in UTF-8. The value `undefined` is an empty body. Values that JSON would change or drop throw INVALID_ARGUMENT: NaN,
 * infinities, BigInt, functions, symbols, Map, Set, cycles and lone surrogates. A Date becomes its ISO text, `undefined`
 * members are left out, -0 becomes 0.
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

/** Parses a JSON object; undefined for other values. */
export function readObject(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const data = jsonCodec.decode(bytes);
    return typeof data === 'object' && data !== null ? (data as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

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
  return invalid(`the body cannot be encoded as JSON: ${what}`, 'Send plain JSON data, or give the bus another codec.');
}
