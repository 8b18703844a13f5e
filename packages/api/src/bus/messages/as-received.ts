/** Bodies as their receivers get them. */

import { isA } from '../../contract/thrown.ts';
import type { BodyCodec } from './body-codec.ts';
import { jsonCodec } from './codec.ts';
import { isExactJson } from './json-loss.ts';
import { later } from './later.ts';

/**
 * `value` as a receiver gets it; `value` itself if that is equal. Throws INVALID_ARGUMENT like {@link BodyCodec.encode}. A
 * promise of an asynchronous codec.
 */
export function asReceived(bodies: BodyCodec, value: unknown): unknown {
  if (isA(value, Uint8Array) || (bodies.writer === jsonCodec && isExactJson(value))) return value;
  return later(bodies.encode(value), (encoded) => bodies.decode(encoded));
}

/**
 * Bytes that are equal for equal values, although a codec may encode a value in another way each time, as encryption does.
 * They are `encoded` for JSON, and for a value that is not JSON.
 */
export function identityOf(bodies: BodyCodec, value: unknown, encoded: Uint8Array): Uint8Array {
  if (bodies.writer === jsonCodec || isA(value, Uint8Array)) return encoded;
  try {
    return jsonCodec.encode(value);
  } catch {
    return encoded;
  }
}
