/** Codecs of message bodies. */

import { invalid } from '../../contract/errors.ts';
import { silenceAll } from '../../contract/promises.ts';
import { textOf } from '../../contract/thrown.ts';
import { findJsonLoss } from './json-loss.ts';

/**
 * Encodes values as bytes and decodes them. A bus encodes with its first codec and decodes with all of them. Either method may
 * return a promise.
 */
export interface Codec {
  /** The content type of its bodies, such as `application/json`. */
  readonly contentType: string;
  /** Throws for a value that it cannot encode without loss. */
  encode(value: unknown): Uint8Array | Promise<Uint8Array>;
  /** The value, or a promise of it. Throws for bytes that it did not encode. */
  decode(bytes: Uint8Array): unknown;
}

/** A codec without promises. */
export interface SyncCodec extends Codec {
  encode(value: unknown): Uint8Array;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/**
 * JSON in UTF-8. The value `undefined` is an empty body. A part that JSON would change or drop throws INVALID_ARGUMENT with
 * its path: NaN, infinities, BigInt, functions, symbols, undefined in arrays, cycles, lone surrogates, and objects that are
 * neither literals nor arrays nor have `toJSON` (Error, Promise, Map, Set, typed arrays, instances of classes). A Date
 * becomes its ISO text, `undefined` members are left out, -0 becomes 0.
 */
export const jsonCodec: SyncCodec = {
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
  const loss = findJsonLoss(value);
  if (loss !== undefined) {
    silenceAll(value);
    throw notJson(`${loss.what}${loss.path === '' ? '' : ` at ${loss.path}`}`);
  }
  try {
    return JSON.stringify(value);
  } catch (error) {
    throw notJson(textOf(error));
  }
}

function notJson(what: string): Error {
  const hint = 'Send plain data: copy an instance ({ ...value }), await a promise, take the message of an error.';
  return invalid(`the body cannot be encoded as JSON: ${what}`, hint);
}
