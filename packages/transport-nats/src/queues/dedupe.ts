/** Ids that the server's own memory of two minutes does not cover: a record for each, beside the message. */

import type { CallContext } from '@busbar/api/driver';
import { encodeHeaders, type HeaderList, sequenceOf } from '../connection/message-headers.ts';
import { DEDUPE_MS } from '../connection/streams.ts';
import { isLostRace, ServerRefusal } from '../errors.ts';
import { ttlHeader } from './dead-letters.ts';
import type { QueueContext } from './queue-context.ts';
import type { KnownQueue } from './queue-record.ts';

/** The `Nats-Msg-Id` of a message: the server stores one of each id in one life of a queue. */
export function messageId(inc: string, id: string): string {
  return `${inc}.${encodeURIComponent(id)}`;
}

/** Whether the ids of a queue have records of their own. */
export function hasIdRecords({ record }: KnownQueue, now: number): boolean {
  return record.settings.dedupeMs > DEDUPE_MS || record.idsUntil > now;
}

/** The server keeps a record so much longer: the clock of the namespace may stand still for so long, while the store is closed. */
const STANDSTILL_MS = 600_000;

/** The record of an id. */
interface IdRecord {
  readonly id: string;
  /** Until when it counts. */
  readonly until: number;
}

/** The records of some ids. */
export interface KnownIds {
  /** Ids that may not be stored again now. */
  readonly taken: Set<string>;
  /** The last record of each id, for the guard of the next one. */
  readonly last: Map<string, number>;
}

/** Reads the records of these ids. */
export async function knownIds(
  { requests, names, clock }: QueueContext,
  queue: KnownQueue,
  ids: readonly string[],
  context?: CallContext,
): Promise<KnownIds> {
  const taken = new Set<string>();
  const last = new Map<string, number>();
  const subjects = ids.map((id) => names.id(queue.name, queue.record.inc, id));
  for await (const page of requests.reader.lastOf(names.queues, subjects, context)) {
    for (const message of page) {
      const { id, until } = message.json<IdRecord>();
      last.set(id, sequenceOf(message));
      if (until > clock.store.now) taken.add(id);
    }
  }
  return { taken, last };
}

/** Notes ids, each for its time. Resolves with how many were not noted already. */
export async function noteIds(
  shared: QueueContext,
  queue: KnownQueue,
  ids: ReadonlyMap<string, number>,
  { taken, last }: KnownIds,
): Promise<number> {
  const noted = [...ids].map(async ([id, ms]): Promise<boolean> => {
    if (taken.has(id)) return false;
    const { subject, data, headers } = toRecord(shared, queue, id, { ms, last: last.get(id) ?? 0 });
    return (await shared.requests.publishGuarded(subject, data, headers)) !== undefined;
  });
  return (await Promise.all(noted)).filter(Boolean).length;
}

/** A message to store with the record of its id. */
export interface NotedMessage {
  readonly subject: string;
  readonly id: string;
  readonly data: Uint8Array;
  readonly headers: HeaderList;
  readonly ms: number;
  /** The last record of its id. */
  readonly last: number;
}

/** Stores a message and the record of its id, both or none; false where the id was noted meanwhile. */
export async function sendWithId(
  shared: QueueContext,
  queue: KnownQueue,
  { subject, id, data, headers, ms, last }: NotedMessage,
  context?: CallContext,
): Promise<boolean> {
  const batch = { 'Nats-Batch-Id': crypto.randomUUID() };
  const record = toRecord(shared, queue, id, { ms, last });
  shared.requests.connection.publish(record.subject, record.data, {
    headers: encodeHeaders({ ...batch, 'Nats-Batch-Sequence': 1, ...record.headers }),
  });
  try {
    const end = { ...batch, 'Nats-Batch-Sequence': 2, 'Nats-Batch-Commit': 1 };
    await shared.requests.publish(subject, data, { ...headers, ...end }, context);
    return true;
  } catch (error) {
    if (isLostRace(error) || (error instanceof ServerRefusal && error.refusal === DUPLICATE_IN_BATCH)) return false;
    throw error;
  }
}

const DUPLICATE_IN_BATCH = 10_201;

function toRecord(
  { names, clock }: QueueContext,
  queue: KnownQueue,
  id: string,
  { ms, last }: { readonly ms: number; readonly last: number },
): { readonly subject: string; readonly data: string; readonly headers: HeaderList } {
  const record: IdRecord = { id, until: Math.ceil(clock.store.late + ms) };
  const headers = { 'Nats-Expected-Last-Subject-Sequence': last, ...ttlHeader(ms + STANDSTILL_MS) };
  return { subject: names.id(queue.name, queue.record.inc, id), data: JSON.stringify(record), headers };
}
