/** What is kept of a task that ran: one entry, a line of JSON and the bytes of its progress or result. */

import { BusbarError } from '../../contract/errors.ts';
import type { FailureRecord } from '../consuming/failure.ts';
import type { EncodedBody } from '../messages/body-codec.ts';

/** What became of a task, as its worker wrote it. */
export type TaskRecord =
  /** At work; the body is its newest progress. */
  | { readonly state: 'running'; readonly attempt: number; readonly body: EncodedBody }
  /** An attempt failed. Whether it was the last, the queue knows. */
  | { readonly state: 'failed'; readonly attempt: number; readonly failure: FailureRecord }
  /** Done. Without a body the result was too large to be kept. */
  | { readonly state: 'done'; readonly attempt: number; readonly body: EncodedBody | undefined }
  | { readonly state: 'cancelled' };

interface Head {
  readonly state: TaskRecord['state'];
  readonly attempt?: number;
  readonly contentType?: string;
  readonly failure?: FailureRecord;
}

/** The largest progress or result that is kept: what an entry holds, less the line in front. */
export const MAX_KEPT_BYTES = 61_440;
/** How long what became of a task is kept where nobody says it: an hour. */
export const DEFAULT_RESULT_TTL_MS = 3_600_000;

const NEWLINE = 10;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The key of the entry of a task. */
export function taskKey(id: string): string {
  return `$task/${id}`;
}

/** The id of the task that an entry is about. */
export function taskOfKey(key: string): string {
  return key.slice('$task/'.length);
}

/** The record as an entry holds it. */
export function encodeRecord(record: TaskRecord): Uint8Array {
  const { body, ...rest } = { body: undefined, ...record };
  const head: Head = body === undefined ? rest : { ...rest, contentType: body.contentType };
  const line = encoder.encode(`${JSON.stringify(head)}\n`);
  const value = new Uint8Array(line.byteLength + (body?.body.byteLength ?? 0));
  value.set(line);
  if (body !== undefined) value.set(body.body, line.byteLength);
  return value;
}

/** The record that an entry holds. Throws INTERNAL where it holds none. */
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
    throw new BusbarError('INTERNAL', 'the entry of a task cannot be read', { cause: error });
  }
}
