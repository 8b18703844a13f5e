/** A subscription's cursor: reads the event log from a position, merged with ephemeral events. */

import { EphemeralBuffer, type EventCursor, positionExpired } from '@busbar/api/driver';
import { matchTopic, type TopicEvent } from '@busbar/api/transport';
import type { Batcher } from '../connection/batcher.ts';
import { type CursorRead, StoreCursor } from '../connection/store-cursor.ts';
import type { Transaction } from '../connection/transaction.ts';
import type { EphemeralEvent } from './ephemeral.ts';
import { loadNamespaceLog, MatchingTopics, readLog } from './event-log.ts';
import { toPosition } from './position.ts';

/** Reads of one batch: each is bounded to 8 MiB of bodies, so a replay of large events stays within 32 MiB. */
const MAX_READS = 4;

/** The event after which a cursor starts. */
interface EventStart {
  readonly storeId: string;
  readonly seq: number;
}

export class SqliteEventCursor extends StoreCursor<TopicEvent> implements EventCursor {
  readonly #pattern: string;
  #topics: MatchingTopics;
  readonly #ephemeral = new EphemeralBuffer<EphemeralEvent>();
  #storeId: string;
  /** Number of the last event that was read. */
  #seq: number;
  /** All events up to this number were handled, or do not match. */
  #settled: number;

  constructor(pattern: string, start: EventStart, batcher: Batcher, onClose: () => void) {
    super(batcher, onClose);
    this.#pattern = pattern;
    this.#seq = start.seq;
    this.#settled = start.seq;
    this.#storeId = start.storeId;
    this.#topics = new MatchingTopics(pattern);
  }

  get position(): string {
    return toPosition(this.#storeId, this.#settled);
  }

  get dropped(): number {
    return this.#ephemeral.dropped;
  }

  override next(max: number): Promise<readonly TopicEvent[]> {
    this.#settled = this.#seq;
    return super.next(max);
  }

  /** Buffers a copy of an ephemeral event, or drops it. */
  pushEphemeral({ event, after }: EphemeralEvent): void {
    if (this.isClosed || !matchTopic(this.#pattern, event.topic)) return;
    if (this.#ephemeral.push({ after, event: copyOf(event) }, event.body.byteLength)) this.wake();
  }

  /** Counts ephemeral events that were lost on the way to this process. */
  drop(count: number): void {
    this.#ephemeral.drop(count);
  }

  override close(): Promise<void> {
    this.#ephemeral.clear();
    return super.close();
  }

  /** Reads events of the log, each followed by the ephemeral events that were published after it. */
  protected override read(tx: Transaction, max: number): CursorRead<TopicEvent> {
    const head = tx.counters().eventHead;
    if (this.isReset) this.#startAgain(tx, head);
    const items: TopicEvent[] = [];
    let seq = this.#seq;
    let ephemeralCount = 0;
    let reads = 0;
    for (;;) {
      const next = this.#ephemeral.at(ephemeralCount);
      if (next !== undefined && next.after <= seq && items.length < max) {
        items.push(next.event);
        ephemeralCount += 1;
        continue;
      }
      if (seq >= head || items.length >= max || reads >= MAX_READS) break;
      reads += 1;
      const upTo = next === undefined ? head : Math.min(head, Math.max(next.after, seq + 1));
      seq = this.#readRange(tx, { after: seq, upTo, max: max - items.length }, items);
    }
    tx.afterCommit(() => {
      this.#seq = seq;
      if (items.length === 0) this.#settled = seq;
      this.#ephemeral.take(ephemeralCount);
    });
    return { items, isAll: seq >= head && ephemeralCount === this.#ephemeral.length };
  }

  /** All events of a new store came after those that were read. A restored store has fewer, and numbers later ones higher. */
  #startAgain({ store }: Transaction, head: number): void {
    const isOther = store.storeId !== this.#storeId;
    this.#seq = isOther ? loadNamespaceLog(store).pruned : Math.min(this.#seq, head);
    this.#settled = this.#seq;
    this.#storeId = store.storeId;
    this.#topics = new MatchingTopics(this.#pattern);
    this.isReset = false;
  }

  /** Appends events of a range to `items`. Returns the number up to which there are no more. */
  #readRange(
    tx: Transaction,
    { after, upTo, max }: { readonly after: number; readonly upTo: number; readonly max: number },
    items: TopicEvent[],
  ): number {
    const newest = tx.once('topic', () => (tx.value('SELECT max(id) FROM topic') as number | null) ?? 0);
    const topics = this.#topics.ids(tx.store, newest);
    const { pruned } = tx.once('namespace log', () => loadNamespaceLog(tx.store));
    if (after < pruned && hasLostEvents(tx, topics, after)) throw positionExpired();
    const read = tx.once(`events ${after} ${upTo} ${max} ${this.#pattern}`, () => ({
      ...readLog(tx.store, { after, upTo, topics, max }),
      isShared: false,
    }));
    for (const event of read.events) items.push(read.isShared ? copyOf(event) : event);
    read.isShared = true;
    tx.rowCount += read.events.length;
    return read.readUpTo;
  }
}

/** Every subscriber gets a copy of its own, so that none sees what another changes. */
function copyOf(event: TopicEvent): TopicEvent {
  return { ...event, body: event.body.slice(), headers: { ...event.headers } };
}

/** Whether retention has deleted an event of these topics after `seq`. */
export function hasLostEvents(tx: Transaction, topics: readonly number[], seq: number): boolean {
  const lost = 'SELECT 1 FROM topic WHERE pruned > ? AND id IN (SELECT value FROM json_each(?)) LIMIT 1';
  return tx.exists(lost, seq, JSON.stringify(topics));
}
