/** The record of a task in the key-value facet: a line of JSON and the bytes of its progress or result. */

import { BusbarError } from '../../contract/errors.ts';
import { type FailureRecord, readFailureRecord } from '../consuming/failure.ts';
import type { EncodedBody } from '../messages/body-codec.ts';
import { jsonCodec } from '../messages/codec.ts';

/** Where a result is stored that is too large for a record. */
export interface StoredParts {
  readonly contentType: string;
  /** The prefix of the keys of its parts. */
  readonly prefix: string;
  /** How many parts there are. */
  readonly parts: number;
}

/** A result: its bytes, or their place. */
export type TaskResult = EncodedBody | StoredParts;

/** The state of a task, written by its worker. */
export type TaskRecord = {
  /** When the task was sent, by the clock of its sender: two tasks with one dedupe key differ in it. */
  readonly sentAt: number;
} & (
  | { readonly state: 'running' /** Its latest progress. */; readonly body: EncodedBody }
  /** Its last attempt failed. The queue knows whether it is still a dead letter. */
  | { readonly state: 'failed'; readonly failure: FailureRecord }
  | { readonly state: 'done'; readonly body: TaskResult }
  | { readonly state: 'cancelled'; readonly reason?: string | undefined }
);

interface Head {
  readonly state: TaskRecord['state'];
  readonly sentAt?: number;
  /** Absent for JSON: every record has a head, and a store many records. */
  readonly contentType?: string | undefined;
  readonly prefix?: string;
  readonly parts?: number;
  readonly failure?: FailureRecord;
  readonly reason?: string | undefined;
}

/** The largest progress, part or result of a record: the limit of a value, minus the line of JSON. */
export const MAX_KEPT_BYTES = 61_440;
/** How long a record is kept by default: one hour. */
export const DEFAULT_RESULT_TTL_MS = 3_600_000;

const NEWLINE = 10;
const NOTHING = new Uint8Array(0);
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
  const { body: result, ...rest } = { body: undefined, ...record };
  const { body, contentType: type, ...place } = { body: NOTHING, contentType: undefined, ...result };
  const contentType = type === jsonCodec.contentType ? undefined : type;
  const line = encoder.encode(`${JSON.stringify({ ...rest, ...place, contentType } satisfies Head)}\n`);
  if (body.byteLength === 0) return line;
  const value = new Uint8Array(line.byteLength + body.byteLength);
  value.set(line);
  value.set(body, line.byteLength);
  return value;
}

/** Decodes a record. Throws INTERNAL for other values. */
export function decodeRecord(value: Uint8Array): TaskRecord {
  try {
    const end = value.indexOf(NEWLINE);
    const head = JSON.parse(decoder.decode(value.subarray(0, end))) as Head;
    const { state, sentAt = 0, contentType = jsonCodec.contentType, prefix, parts, failure, reason } = head;
    if (state === 'failed') return { state, sentAt, failure: readFailureRecord({ ...failure }) };
    if (state !== 'running' && state !== 'done') return { state: 'cancelled', sentAt, reason };
    const body = { contentType, body: value.slice(end + 1) };
    if (state === 'running') return { state, sentAt, body };
    const isSplit = prefix !== undefined && parts !== undefined;
    return { state, sentAt, body: isSplit ? { contentType, prefix, parts } : body };
  } catch (error) {
    throw new BusbarError('INTERNAL', 'the record of a task cannot be decoded', { cause: error });
  }
}
