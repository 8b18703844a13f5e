/** Results that are too large for one record: their parts have keys of their own. */

import type { CallOptions } from '../../contract/call-options.ts';
import { BusbarError } from '../../contract/errors.ts';
import { newId } from '../../contract/id.ts';
import type { KeyValue } from '../../contract/kv.ts';
import type { EncodedBody } from '../messages/body-codec.ts';
import { MAX_KEPT_BYTES, type StoredParts, type TaskResult } from './task-record.ts';

/** How much longer parts are kept than the record that names them. */
const MARGIN_MS = 60_000;
/** How many parts are written or read at a time. */
const CONCURRENCY = 8;

/** Stores a result that is too large for a record. Resolves with its place. */
export async function storeParts(
  kv: KeyValue,
  { body, contentType }: EncodedBody,
  ttlMs: number,
  bounds?: CallOptions,
): Promise<TaskResult> {
  // A new prefix each time: a reader must not mix the parts of two attempts.
  const stored = { contentType, prefix: `$part/${newId()}/`, parts: Math.ceil(body.byteLength / MAX_KEPT_BYTES) };
  await forEachPart(stored, async (key, index) => {
    const part = body.subarray(index * MAX_KEPT_BYTES, (index + 1) * MAX_KEPT_BYTES);
    await kv.put(key, part, { ...bounds, ttlMs: ttlMs + MARGIN_MS });
  });
  return stored;
}

/** The result at its place. Rejects with NOT_FOUND when a part is not stored any more. */
export async function readParts(kv: KeyValue, result: TaskResult): Promise<EncodedBody> {
  if ('body' in result) return result;
  const all: Uint8Array[] = [];
  await forEachPart(result, async (key, index) => {
    const entry = await kv.get(key);
    if (entry === undefined) throw new BusbarError('NOT_FOUND', 'a part of the result is no longer stored');
    all[index] = entry.value;
  });
  const body = new Uint8Array(all.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const part of all) {
    body.set(part, at);
    at += part.byteLength;
  }
  return { body, contentType: result.contentType };
}

async function forEachPart(
  { prefix, parts }: StoredParts,
  run: (key: string, index: number) => Promise<void>,
): Promise<void> {
  for (let start = 0; start < parts; start += CONCURRENCY) {
    const count = Math.min(CONCURRENCY, parts - start);
    await Promise.all(Array.from({ length: count }, (_, offset) => run(`${prefix}${start + offset}`, start + offset)));
  }
}
