/** A place in the log that a subscription reads on from, with the ephemeral events that came meanwhile. */

import type { EventCursor } from '@busbar/api/driver';
import { matchTopic, type TopicEvent } from '@busbar/api/transport';
import type { Batcher } from '../connection/batcher.ts';
import type { Transaction } from '../connection/transaction.ts';
import { loadSpace, readLog } from './event-log.ts';
import { MatchingTopics } from './matching-topics.ts';
import { expired, toPosition } from './position.ts';

/** Ephemeral events that wait for a slow handler at most: further ones are dropped and counted. */
const MAX_WAITING = 1000;
const MAX_WAITING_BYTES = 4_194_304;
/** Bodies of one batch: replaying large events holds no more than this at a time. */
const MAX_READS = 4;

/** An ephemeral event, and the event of the log it came after. */
interface Passing {
  readonly after: number;
  readonly event: TopicEvent;
}

interface Pending {
  readonly max: number;
  readonly resolve: (events: readonly TopicEvent[]) => void;
  readonly reject: (error: unknown) => void;
}

export class LogCursor implements EventCursor {
  readonly pattern: string;
  readonly #batcher: Batcher;
  readonly #topics: MatchingTopics;
  readonly #onClose: (cursor: LogCursor) => void;
  readonly #storeId: string;
  #seq: number;
  /** Up to this one all was handled, or does not match. */
  #settled: number;
  #passing: Passing[] = [];
  #passingBytes = 0;
  #pending: Pending | undefined;
  #isReading = false;
  #hasNews = true;
  #isClosed = false;
  dropped = 0;

  constructor(pattern: string, seq: number, storeId: string, batcher: Batcher, onClose: (cursor: LogCursor) => void) {
    this.pattern = pattern;
    this.#seq = seq;
    this.#settled = seq;
    this.#storeId = storeId;
    this.#batcher = batcher;
    this.#topics = new MatchingTopics(pattern);
    this.#onClose = onClose;
  }

  get position(): string {
    return toPosition(this.#storeId, this.#settled);
  }

  next(max: number): Promise<readonly TopicEvent[]> {
    if (this.#isClosed) return Promise.resolve([]);
    this.#settled = this.#seq;
    return new Promise((resolve, reject) => {
      this.#pending = { max, resolve, reject };
      if (this.#hasNews) this.#read();
    });
  }

  /** There are new events in the log. */
  wake(): void {
    this.#hasNews = true;
    if (this.#pending !== undefined) this.#read();
  }

  /** Takes an ephemeral event in, or drops it. The cursor gets a copy of its own. */
  pass(event: TopicEvent, after: number): void {
    if (this.#isClosed || !matchTopic(this.pattern, event.topic)) return;
    const bytes = event.body.byteLength;
    if (this.#passing.length >= MAX_WAITING || this.#passingBytes + bytes > MAX_WAITING_BYTES) {
      this.dropped += 1;
      return;
    }
    this.#passing.push({ after, event: copyOf(event) });
    this.#passingBytes += bytes;
    this.wake();
  }

  close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#onClose(this);
      this.#pending?.resolve([]);
      this.#pending = undefined;
      this.#passing = [];
    }
    return Promise.resolve();
  }

  #read(): void {
    if (this.#isReading) return;
    this.#isReading = true;
    this.#hasNews = false;
    this.#batcher
      .readAhead((transaction) => this.#take(transaction))
      .then(
        ({ events, seq, passed, isAll }) => this.#taken(events, seq, passed, isAll),
        (error: unknown) => this.#broken(error),
      );
  }

  #taken(events: readonly TopicEvent[], seq: number, passed: number, isAll: boolean): void {
    this.#isReading = false;
    this.#seq = seq;
    for (const { event } of this.#passing.splice(0, passed)) this.#passingBytes -= event.body.byteLength;
    if (!isAll) this.#hasNews = true;
    const pending = this.#pending;
    if (pending === undefined) return;
    if (events.length === 0) {
      this.#settled = seq;
      if (this.#hasNews) this.#read();
      return;
    }
    this.#pending = undefined;
    pending.resolve(events);
  }

  #broken(error: unknown): void {
    this.#isReading = false;
    this.#pending?.reject(error);
    this.#pending = undefined;
  }

  /** What comes next: events of the log, then the ephemeral ones that came after them. */
  #take(transaction: Transaction): { events: TopicEvent[]; seq: number; passed: number; isAll: boolean } {
    const max = this.#pending?.max ?? 0;
    const head = transaction.counter().logHead;
    const events: TopicEvent[] = [];
    let seq = this.#seq;
    let passed = 0;
    let reads = 0;
    for (;;) {
      const next = this.#passing[passed];
      if (next !== undefined && next.after <= seq && events.length < max) {
        events.push(next.event);
        passed += 1;
        continue;
      }
      if (seq >= head || events.length >= max || reads >= MAX_READS) break;
      reads += 1;
      const upTo = next === undefined ? head : Math.min(head, Math.max(next.after, seq + 1));
      seq = this.#readStretch(transaction, seq, upTo, max - events.length, events);
    }
    return { events, seq, passed, isAll: seq >= head && passed === this.#passing.length };
  }

  #readStretch(transaction: Transaction, after: number, upTo: number, max: number, events: TopicEvent[]): number {
    const { store } = transaction;
    const newest = transaction.once('topic', () => (store.value('SELECT max(id) FROM topic') as number | null) ?? 0);
    const topics = this.#topics.ids(store, newest);
    const { trimmed } = transaction.once('space', () => loadSpace(store));
    if (after < trimmed && hasLost(transaction, topics, after)) throw expired();
    const read = transaction.once(`log ${after} ${upTo} ${max} ${this.pattern}`, () => ({
      ...readLog(store, { after, upTo, topics, max }),
      isGiven: false,
    }));
    for (const { event } of read.events) events.push(read.isGiven ? copyOf(event) : event);
    read.isGiven = true;
    transaction.work += read.events.length;
    return read.seenUpTo;
  }
}

/** Every subscriber gets an event of its own: what one does to it no other sees. */
function copyOf(event: TopicEvent): TopicEvent {
  return { ...event, body: event.body.slice(), headers: { ...event.headers } };
}

/** Whether retention has taken an event of these topics after `seq`. */
export function hasLost(transaction: Transaction, topics: readonly number[], seq: number): boolean {
  return (
    transaction.store
      .sql('SELECT 1 FROM topic WHERE trimmed > ? AND id IN (SELECT value FROM json_each(?)) LIMIT 1')
      .get(seq, JSON.stringify(topics)) !== undefined
  );
}
