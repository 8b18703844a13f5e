/** The subscriptions of a process: opening them, and waking those that a publish concerns. */

import type { CallContext, PreparedMessage } from '@busbar/api/driver';
import { type From, invalid, matchTopic, type PublishResult, type TopicEvent } from '@busbar/api/transport';
import type { Batcher } from '../connection/batcher.ts';
import type { Store } from '../connection/store.ts';
import type { Transaction } from '../connection/transaction.ts';
import type { Listeners } from '../wakeup/waiter-registry.ts';
import { fetch, leave } from './ephemeral.ts';
import { hasLost, LogCursor } from './event-cursor.ts';
import { lastBefore, loadSpace } from './event-log.ts';
import { MatchingTopics } from './matching-topics.ts';
import { expired, parsePosition } from './position.ts';

export class Cursors {
  readonly #batcher: Batcher;
  readonly #listeners: Listeners;
  readonly #process: string;
  readonly #onChange: () => void;
  readonly #cursors = new Set<LogCursor>();
  /** Number of the last ephemeral event fetched from the store. */
  #fetched = 0;
  #isFetching = false;

  constructor(batcher: Batcher, listeners: Listeners, process: string, onChange: () => void) {
    this.#batcher = batcher;
    this.#listeners = listeners;
    this.#process = process;
    this.#onChange = onChange;
  }

  get size(): number {
    return this.#cursors.size;
  }

  /** Opens a cursor. The store knows of it when this resolves, so nothing published later passes it by. */
  async open(pattern: string, from: From, context: CallContext): Promise<LogCursor> {
    const place = (transaction: Transaction): number => findPlace(transaction, pattern, from);
    const cursor = await this.#batcher.write((transaction) => {
      const seq = place(transaction);
      if (this.#cursors.size === 0) this.#fetched = transaction.counter().ephemeral;
      this.#listeners.add(transaction, 'topic', pattern);
      const opened = new LogCursor(pattern, seq, transaction.store.storeId, this.#batcher, (gone) =>
        this.#closed(gone),
      );
      transaction.afterCommit(() => this.#cursors.add(opened));
      return opened;
    }, context);
    this.#onChange();
    return cursor;
  }

  /** Wakes the cursors that match one of these topics. */
  wake(topics: ReadonlySet<string>): void {
    for (const cursor of this.#cursors) {
      for (const topic of topics) {
        if (!matchTopic(cursor.pattern, topic)) continue;
        cursor.wake();
        break;
      }
    }
  }

  /** Another process has published something: has every cursor look, and fetches ephemeral events. */
  look(): void {
    if (this.#cursors.size === 0) return;
    for (const cursor of this.#cursors) cursor.wake();
    if (!this.#isFetching) void this.#fetch();
  }

  /** Hands events to whoever listens now. Only where other processes listen is anything written. */
  async publish(topic: string, messages: readonly PreparedMessage[], context: CallContext): Promise<PublishResult[]> {
    const hasOthers = await this.#batcher.read((transaction) => {
      if (this.#listeners.forTopic(transaction, topic).length > 0) return true;
      const after = transaction.counter().logHead;
      transaction.afterCommit(() => this.#pass(messages, after));
      return false;
    }, context);
    if (hasOthers) await this.#batcher.write((transaction) => this.#leave(transaction, topic, messages), context);
    return messages.map(({ id }) => ({ id, status: 'stored' }));
  }

  async close(): Promise<void> {
    for (const cursor of this.#cursors) await cursor.close();
  }

  #leave(transaction: Transaction, topic: string, messages: readonly PreparedMessage[]): void {
    leave(transaction, this.#process, messages);
    for (const process of this.#listeners.forTopic(transaction, topic)) transaction.rings.add(process);
    const after = transaction.counter().logHead;
    transaction.afterCommit(() => this.#pass(messages, after));
  }

  #pass(messages: readonly PreparedMessage[], after: number): void {
    for (const message of messages) {
      const { delayMs, ttlMs, maxAttempts, ...rest } = message;
      const event = { ...rest, position: undefined } as TopicEvent;
      for (const cursor of this.#cursors) cursor.pass(event, after);
    }
  }

  async #fetch(): Promise<void> {
    this.#isFetching = true;
    try {
      for (let isMore = true; isMore && this.#cursors.size > 0; ) {
        const fetched = await this.#batcher.readAhead((transaction) =>
          fetch(transaction, this.#process, this.#fetched),
        );
        this.#fetched = fetched.upTo;
        isMore = fetched.isMore;
        for (const cursor of this.#cursors) {
          cursor.dropped += fetched.lost;
          for (const { event, after } of fetched.events) cursor.pass(event, after);
        }
      }
    } catch {
      // At most once: the next look goes on from where this one stood.
    } finally {
      this.#isFetching = false;
    }
  }

  #closed(cursor: LogCursor): void {
    this.#cursors.delete(cursor);
    this.#onChange();
    for (const other of this.#cursors) if (other.pattern === cursor.pattern) return;
    if (!this.#listeners.has('topic', cursor.pattern)) return;
    // Should it fail, this process is rung once too often, until it ends.
    this.#batcher
      .write((transaction) => {
        for (const other of this.#cursors) if (other.pattern === cursor.pattern) return;
        this.#listeners.remove(transaction, 'topic', cursor.pattern);
      })
      .catch(() => undefined);
  }
}

/** The number of the event after which to begin. */
export function findPlace(transaction: Transaction, pattern: string, from: From): number {
  const { store } = transaction;
  const head = transaction.counter().logHead;
  if (from === 'new') return head;
  const { trimmed } = loadSpace(store);
  if (from === 'start') return trimmed;
  if ('time' in from) return Math.max(trimmed, lastBefore(store, from.time));
  const seq = parsePosition(store.storeId, from.after);
  if (seq > head) {
    throw invalid('this position lies ahead of the log', 'The store was put back to an older state; begin with start.');
  }
  if (seq < trimmed && hasLost(transaction, matching(store, pattern), seq)) throw expired();
  return seq;
}

function matching(store: Store, pattern: string): readonly number[] {
  return new MatchingTopics(pattern).ids(store, Number.POSITIVE_INFINITY);
}
