/** Ids that the server's own memory of two minutes does not cover: a record for each, beside the message. */

import type { CallContext } from '@busbar/api/driver';
import { type HeaderList, sequenceOf } from '../connection/message-headers.ts';
import type { Publication, ServerRequests } from '../connection/server-requests.ts';
import { DEDUPE_MS } from '../connection/streams.ts';
import { isDuplicateInBatch, isIncomplete, isLostRace } from '../errors.ts';
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

/** A message to store with the record of its id. */
export interface NotedMessage {
  readonly subject: string;
  readonly id: string;
  readonly data: Uint8Array;
  readonly headers: HeaderList;
  readonly ms: number;
}

interface WaitingMessage extends NotedMessage {
  readonly queue: KnownQueue;
  readonly deadline: number;
  /** The last record of its id. */
  readonly last: number;
  readonly resolve: (isNew: boolean) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Stores messages with the records of their ids. The server takes milliseconds for each batch, so one batch is under way, and
 * messages that come meanwhile go together with the next.
 */
export class NotedSends {
  readonly #shared: QueueContext;
  #waiting: WaitingMessage[] = [];
  #isSending = false;

  constructor(shared: QueueContext) {
    this.#shared = shared;
  }

  /** Stores a message and the record of its id, both or none; false where the id has one already. */
  send(queue: KnownQueue, message: NotedMessage, { deadline }: Pick<CallContext, 'deadline'>): Promise<boolean> {
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    this.#waiting.push({ ...message, queue, deadline, last: 0, resolve, reject });
    if (!this.#isSending) void this.#sendAll();
    return promise;
  }

  async #sendAll(): Promise<void> {
    this.#isSending = true;
    while (this.#waiting.length > 0) {
      // Those of one call come in one turn.
      await undefined;
      await this.#sendTogether(this.#takeBatch());
    }
    this.#isSending = false;
  }

  /** Messages of one life of a queue. One with an id of the batch is sent after it. */
  #takeBatch(): WaitingMessage[] {
    const [{ queue } = {}] = this.#waiting;
    const ids = new Set<string>();
    const isNext = (one: WaitingMessage): boolean =>
      one.queue.record.inc === queue?.record.inc && ids.size < ids.add(one.id).size;
    const matching = this.#waiting.filter(isNext);
    const batch = matching.slice(0, countOfBatch(matching));
    const taken = new Set(batch);
    this.#waiting = this.#waiting.filter((each) => !taken.has(each));
    return batch;
  }

  async #sendTogether(batch: readonly WaitingMessage[]): Promise<void> {
    let left = batch;
    // An earlier sending of this call may have stored them.
    let mayBeStored = false;
    try {
      for (let tries = 1; tries <= TRIES && left.length > 0; tries += 1) {
        left = await this.#settleTaken(left, mayBeStored);
        const refusal = await this.#publish(left);
        if (refusal === undefined) {
          for (const { resolve } of left) resolve(true);
          return;
        }
        if (isDuplicateInBatch(refusal)) break;
        if (isIncomplete(refusal) && tries === TRIES) throw refusal;
        mayBeStored ||= isIncomplete(refusal);
      }
      for (const each of left) await this.#sendAlone(each, mayBeStored);
    } catch (error) {
      for (const { reject } of left) reject(error);
    }
  }

  /** The server remembers the id of one of them without a record, or others note ids as fast. */
  async #sendAlone(message: WaitingMessage, mayBeStored: boolean): Promise<void> {
    const refusal = await this.#publish([message]);
    if (isIncomplete(refusal)) throw refusal;
    message.resolve(refusal === undefined || mayBeStored);
  }

  /** Resolves those whose ids have records; returns the others. */
  async #settleTaken(batch: readonly WaitingMessage[], areStored: boolean): Promise<WaitingMessage[]> {
    const [{ queue, deadline } = {}] = batch;
    if (queue === undefined || deadline === undefined) return [];
    const ids = batch.map(({ id }) => id);
    const { taken, last } = await knownIds(this.#shared, queue, ids, { deadline });
    return batch.flatMap((message): WaitingMessage[] => {
      if (taken.has(message.id)) message.resolve(areStored);
      return taken.has(message.id) ? [] : [{ ...message, last: last.get(message.id) ?? 0 }];
    });
  }

  /** The messages keep their order, behind the records of their ids. Resolves with the refusal of a batch, undefined without. */
  async #publish(batch: readonly WaitingMessage[]): Promise<unknown> {
    const records = batch.map(({ queue, id, ms, last }) => toRecord(this.#shared, queue, id, { ms, last }));
    const deadline = Math.max(...batch.map((each) => each.deadline));
    try {
      await this.#shared.requests.publishAll([...records, ...batch], { deadline });
      return undefined;
    } catch (error) {
      if (isLostRace(error) || isDuplicateInBatch(error) || isIncomplete(error)) return error;
      throw error;
    }
  }
}

/** The server takes at most 1,000 messages in one batch, which it keeps aside until the last one. */
const MAX_BATCH = 500;
const MAX_BATCH_BYTES = 4_194_304;

/** Messages in batches that the server takes, also with the record of an id for each message. */
export function* batchesOf<T extends Pick<Publication, 'data'>>(messages: readonly T[]): Generator<readonly T[], void> {
  for (let from = 0; from < messages.length; ) {
    const rest = from === 0 ? messages : messages.slice(from);
    const count = countOfBatch(rest);
    yield rest.slice(0, count);
    from += count;
  }
}

/** How often a batch is sent. Others may note its ids meanwhile, or the connection may be lost. */
const TRIES = 5;

/** How many of these messages go into one batch. */
function countOfBatch(messages: readonly Pick<Publication, 'data'>[]): number {
  let bytes = 0;
  const end = messages.findIndex(({ data }, index) => {
    bytes += data.length;
    return index > 0 && (index === MAX_BATCH || bytes > MAX_BATCH_BYTES);
  });
  return end < 0 ? messages.length : end;
}

function toRecord(
  { names, clock }: QueueContext,
  queue: KnownQueue,
  id: string,
  { ms, last }: { readonly ms: number; readonly last: number },
): Publication {
  const record: IdRecord = { id, until: Math.ceil(clock.store.late + ms) };
  const headers = { 'Nats-Expected-Last-Subject-Sequence': last, ...ttlHeader(ms + STANDSTILL_MS) };
  return { subject: names.id(queue.name, queue.record.inc, id), data: JSON.stringify(record), headers };
}
