/** Ids that the server's own memory of two minutes does not cover: a record for each, beside the message. */

import type { CallContext } from '@busbar/api/driver';
import { batchesOf } from '../connection/batches.ts';
import { sequenceOf } from '../connection/message-headers.ts';
import type { Publication, ServerRequests } from '../connection/server-requests.ts';
import { DEDUPE_MS } from '../connection/streams.ts';
import { isIncomplete, isLostRace } from '../errors.ts';
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
  readonly taken: ReadonlySet<string>;
  /** The last record of each id, for the guard of the next one. */
  readonly last: ReadonlyMap<string, number>;
}

/** No id has a record. */
export const NONE: KnownIds = { taken: new Set(), last: new Map() };

/** Reads the records of these ids. */
export async function knownIds(
  { requests, names, clock }: QueueContext,
  queue: KnownQueue,
  ids: readonly string[],
  bounds?: Pick<CallContext, 'deadline'>,
): Promise<KnownIds> {
  const taken = new Set<string>();
  const last = new Map<string, number>();
  const subjects = ids.map((id) => names.id(queue.name, queue.record.inc, id));
  for await (const page of requests.reader.lastOf(names.queues, subjects, bounds)) {
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
  const records = [...ids].flatMap(([id, ms]) =>
    taken.has(id) ? [] : [toRecord(shared, queue, id, { ms, last: last.get(id) ?? 0 })],
  );
  let noted = 0;
  for (const batch of batchesOf(records)) noted += await noteAll(shared.requests, batch);
  return noted;
}

/** Stores records together. If one was stored meanwhile, each by itself. */
async function noteAll(requests: ServerRequests, records: readonly Publication[]): Promise<number> {
  try {
    await requests.publishAll(records);
    return records.length;
  } catch (error) {
    if (!isLostRace(error) && !isIncomplete(error)) throw error;
    const acks = records.map(({ subject, data, headers }) => requests.publishGuarded(subject, data, headers));
    return (await Promise.all(acks)).filter((ack) => ack !== undefined).length;
  }
}

/** The record of an id to store: for `ms`, if `last` is still the last one. */
export function toRecord(
  { names, clock }: QueueContext,
  queue: KnownQueue,
  id: string,
  { ms, last }: { readonly ms: number; readonly last: number },
): Publication {
  const record: IdRecord = { id, until: Math.ceil(clock.store.late + ms) };
  const headers = { 'Nats-Expected-Last-Subject-Sequence': last, ...ttlHeader(ms + STANDSTILL_MS) };
  return { subject: names.id(queue.name, queue.record.inc, id), data: JSON.stringify(record), headers };
}
