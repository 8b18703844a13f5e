/** Sends of messages whose ids have records of their own. */

import type { CallContext } from '@busbar/api/driver';
import { isBusbarError } from '@busbar/api/transport';
import { BATCH_RETRY_MS, BATCH_TRIES, batchesOf } from '../connection/batches.ts';
import type { HeaderList } from '../connection/message-headers.ts';
import { pause } from '../connection/pause.ts';
import type { Bounds } from '../connection/request-inbox.ts';
import { isDuplicateInBatch, isIncomplete, isLostRace, toDriverError } from '../errors.ts';
import { knownIds, toRecord } from './dedupe.ts';
import type { QueueContext } from './queue-context.ts';
import type { KnownQueue } from './queue-record.ts';

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
  #takeBatch(): readonly WaitingMessage[] {
    const [{ queue } = {}] = this.#waiting;
    const ids = new Set<string>();
    const isNext = (one: WaitingMessage): boolean =>
      one.queue.record.inc === queue?.record.inc && ids.size < ids.add(one.id).size;
    const matching = this.#waiting.filter(isNext);
    const [batch = []] = batchesOf(matching);
    const taken = new Set(batch);
    this.#waiting = this.#waiting.filter((each) => !taken.has(each));
    return batch;
  }

  async #sendTogether(batch: readonly WaitingMessage[]): Promise<void> {
    let left = batch;
    // An earlier sending of this call may have stored them.
    let mayBeStored = false;
    try {
      for (let tries = 1; tries <= BATCH_TRIES; tries += 1) {
        left = await this.#settleTaken(left, mayBeStored);
        const refusal = await this.#publish(left);
        if (refusal === undefined) {
          for (const { resolve } of left) resolve(true);
          return;
        }
        mayBeStored ||= isIncomplete(refusal) && refusal.isRepeated;
        if (isIncomplete(refusal)) await pause(BATCH_RETRY_MS * tries);
        if (isDuplicateInBatch(refusal)) break;
      }
    } catch (error) {
      const isOfOne = isBusbarError(error) && error.code === 'PAYLOAD_TOO_LARGE' && left.length > 1;
      if (!isOfOne) return rejectAll(left, error, mayBeStored);
    }
    for (const each of left) await this.#sendAlone(each, mayBeStored);
  }

  /** The server remembers the id of one of them without a record or takes no message of its size, or others note ids as fast. */
  async #sendAlone(message: WaitingMessage, mayBeStored: boolean): Promise<void> {
    try {
      const refusal = await this.#publish([message]);
      if (isIncomplete(refusal)) throw refusal;
      message.resolve(refusal === undefined || mayBeStored);
    } catch (error) {
      rejectAll([message], error, mayBeStored);
    }
  }

  /** Resolves those whose ids have records; returns the others. */
  async #settleTaken(batch: readonly WaitingMessage[], areStored: boolean): Promise<WaitingMessage[]> {
    const [{ queue } = {}] = batch;
    if (queue === undefined) return [];
    const ids = batch.map(({ id }) => id);
    const { taken, last } = await knownIds(this.#shared, queue, ids, boundsOf(batch));
    return batch.flatMap((message): WaitingMessage[] => {
      if (taken.has(message.id)) message.resolve(areStored);
      return taken.has(message.id) ? [] : [{ ...message, last: last.get(message.id) ?? 0 }];
    });
  }

  /** The messages keep their order, behind the records of their ids. Resolves with the refusal of a batch, undefined without. */
  async #publish(batch: readonly WaitingMessage[]): Promise<unknown> {
    const records = batch.map(({ queue, id, ms, last }) => toRecord(this.#shared, queue, id, { ms, last }));
    try {
      await this.#shared.requests.publishAll([...records, ...batch], boundsOf(batch));
      return undefined;
    } catch (error) {
      if (isLostRace(error) || isDuplicateInBatch(error) || isIncomplete(error)) return error;
      throw error;
    }
  }
}

/** Each call ends at its own deadline, which the transport keeps. */
function boundsOf(batch: readonly WaitingMessage[]): Bounds {
  return { deadline: Math.max(...batch.map(({ deadline }) => deadline)) };
}

function rejectAll(messages: readonly WaitingMessage[], error: unknown, mayBeStored: boolean): void {
  const failure = mayBeStored ? toDriverError(error, { outcome: 'unknown' }) : error;
  for (const { reject } of messages) reject(failure);
}
