/** Sends of messages whose ids have records of their own. */

import type { CallContext } from '@busbar/api/driver';
import { batchesOf } from '../connection/batches.ts';
import type { HeaderList } from '../connection/message-headers.ts';
import { isDuplicateInBatch, isIncomplete, isLostRace } from '../errors.ts';
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

/** How often a batch is sent. Others may note its ids meanwhile, or the connection may be lost. */
const TRIES = 5;

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
