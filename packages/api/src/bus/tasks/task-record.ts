/** The record of a task in the key-value facet: a line of JSON and the bytes of its progress or result. */

import { BusbarError } from '../../contract/errors.ts';
import type { FailureRecord } from '../consuming/failure.ts';
import type { EncodedBody } from '../messages/body-codec.ts';

/** The state of a task, written by its worker. */
export type TaskRecord =
  /** Running; the body is its latest progress. */
  | { readonly state: 'running'; readonly attempt: number; readonly body: EncodedBody }
  /** An attempt failed. The queue knows whether it was the last. */
  | { readonly state: 'failed'; readonly attempt: number; readonly failure: FailureRecord }
  /** Done. Without a body the result was too large to keep. */
  | { readonly state: 'done'; readonly attempt: number; readonly body: EncodedBody | undefined }
  | { readonly state: 'cancelled' };

interface Head {
  readonly state: TaskRecord['state'];
  readonly attempt?: number;
  readonly contentType?: string;
  readonly failure?: FailureRecord;
}

/** The largest progress or result: the limit of a value, minus the line of JSON. */
export const MAX_KEPT_BYTES = 61_440;
/** How long a record is kept by default: one hour. */
export const DEFAULT_RESULT_TTL_MS = 3_600_000;

const NEWLINE = 10;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The key of a task's record. */
export function taskKey(id: string): string {
  return `$task/${id}`;
}

/** The task of a key. */
export function taskOfKey(key: string): string {
  return key.slice('$task/'.length);
}

/** Encodes a record. */
export function encodeRecord(record: TaskRecord): Uint8Array {
  const { body, ...rest } = { body: undefined, ...record };
  const head: Head = body === undefined ? rest : { ...rest, contentType: body.contentType };
  const line = encoder.encode(`${JSON.stringify(head)}\n`);
  const value = new Uint8Array(line.byteLength + (body?.body.byteLength ?? 0));
  value.set(line);
  if (body !== undefined) value.set(body.body, line.byteLength);
  return value;
}

/** Decodes a record. Throws INTERNAL for other values. */
export function decodeRecord(value: Uint8Array): TaskRecord {
  try {
    const end = value.indexOf(NEWLINE);
    const head = JSON.parse(decoder.decode(value.subarray(0, end))) as Head;
    const { state, attempt = 1, contentType, failure = { name: 'Error', message: 'unknown' } } = head;
    const body = contentType === undefined ? undefined : { contentType, body: value.slice(end + 1) };
    if (state === 'running' && body !== undefined) return { state, attempt, body };
    if (state === 'failed') return { state, attempt, failure };
    return state === 'done' ? { state, attempt, body } : { state: 'cancelled' };
  } catch (error) {
    throw new BusbarError('INTERNAL', 'the record of a task cannot be decoded', { cause: error });
  }
}
