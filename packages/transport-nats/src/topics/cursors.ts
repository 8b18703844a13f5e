/** Opens readers of topics: their first sequence, and the bounds of the log. */

import { type CallContext, type EventCursor as Cursor, positionExpired } from '@busbar/api/driver';
import type { From } from '@busbar/api/transport';
import { sequenceOf } from '../connection/message-headers.ts';
import { pause } from '../connection/pause.ts';
import { Puller } from '../connection/puller.ts';
import type { FoundReset } from '../connection/store-header.ts';
import { streamInfo } from '../connection/streams.ts';
import type { QueueContext } from '../queues/queue-context.ts';
import { type CursorContext, EventCursor, type Log } from './event-cursor.ts';
import { parsePosition } from './position.ts';

/** Servers of a cluster tell each other of a subscription, and no reply says that they did. Measured: about 1 ms, more under load. */
const INTEREST_MS = 50;

export class Cursors {
  readonly #shared: CursorContext;
  /** The store that the open cursors read. */
  #storeId: string;
  readonly #open = new Set<EventCursor>();

  constructor({ requests, names, clock }: QueueContext, log: Log) {
    this.#storeId = log.storeId;
    const bounds = async (): Promise<{ first: number; last: number }> => {
      const { state } = await streamInfo(requests, clock, names.topics);
      return { first: state.first_seq === 0 ? state.last_seq + 1 : state.first_seq, last: state.last_seq };
    };
    this.#shared = { requests, names, puller: new Puller(requests.connection, names.topics), log, bounds };
  }

  async open(pattern: string, from: From, _context: CallContext): Promise<Cursor> {
    const { connection } = this.#shared.requests;
    const next = await this.resolve(from);
    const start = { next, isAtStart: from === 'start' };
    const cursor: EventCursor = new EventCursor(this.#shared, pattern, start, () => void this.#open.delete(cursor));
    this.#open.add(cursor);
    // From now on the cursor gets each new event.
    await connection.flush();
    if (connection.isClustered) await pause(INTEREST_MS);
    return cursor;
  }

  /** Goes on over the log that the store has now. */
  rewind({ storeId, lastEvent }: FoundReset): void {
    const isReplaced = storeId !== this.#storeId;
    this.#storeId = storeId;
    for (const cursor of this.#open) cursor.rewind(isReplaced, lastEvent);
  }

  /** The sequence of the first event of a read from `from`. */
  async resolve(from: From): Promise<number> {
    const { first, last } = await this.#shared.bounds();
    if (from === 'new') return last + 1;
    if (from === 'start') return first;
    if ('time' in from) return this.#since(from.time, last);
    const seq = parsePosition(this.#shared.log.storeId, from.after, last);
    if (seq + 1 < first) throw positionExpired();
    return seq + 1;
  }

  async #since(time: number, last: number): Promise<number> {
    const { requests, names } = this.#shared;
    const start = new Date(Math.min(Math.max(time, 0), LATEST)).toISOString();
    const request = { start_time: start, next_by_subj: names.topic('>'), batch: 1 };
    await requests.reader.catchUp(names.topics);
    const { messages } = await requests.reader.get(names.topics, request);
    return messages[0] === undefined ? last + 1 : sequenceOf(messages[0]);
  }
}

const LATEST = Date.UTC(9999, 0);
