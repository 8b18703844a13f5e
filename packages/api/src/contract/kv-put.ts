/** Checks and copies the entry of a put, and of a settlement. */

import { BusbarError, invalid } from './errors.ts';
import type { KvPut } from './kv.ts';
import { checkKvKey } from './names.ts';
import { checkDuration, checkOptions, kindOf, MAX_DURATION_MS, type NumberRange } from './validation.ts';

/** The largest value of a key. */
export const MAX_VALUE_BYTES = 65_536;
/** The legal times to live. */
export const TTL_RANGE: NumberRange = { min: 1, max: MAX_DURATION_MS };

/** Throws unless `put` has a legal key, value and time to live. */
export function checkKvPut(put: unknown): asserts put is KvPut {
  checkOptions(put, ['key', 'value', 'ttlMs'], 'entry');
  const { key, value, ttlMs } = put as Partial<KvPut>;
  checkKvKey(key);
  checkKvValue(value);
  checkDuration(ttlMs, 'ttlMs', TTL_RANGE);
}

/** Throws unless `value` is bytes, and not too many. */
export function checkKvValue(value: unknown): asserts value is Uint8Array {
  if (!(value instanceof Uint8Array)) {
    throw invalid(`a value must be a Uint8Array, not ${kindOf(value)}`, 'Encode it first.');
  }
  if (value.byteLength <= MAX_VALUE_BYTES) return;
  const text = `the value has ${value.byteLength} bytes, the limit is ${MAX_VALUE_BYTES}`;
  throw new BusbarError('PAYLOAD_TOO_LARGE', text, {
    hint: 'Store large data in a message or a file, and its place here.',
  });
}
