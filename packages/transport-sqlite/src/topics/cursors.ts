/** The open event cursors of this process: opens them, wakes them, and publishes ephemeral events to them. */

import { type CallContext, type PreparedMessage, positionExpired } from '@busbar/api/driver';
import { type From, invalid, matchTopic, type PublishResult, type TopicEvent } from '@busbar/api/transport';
import type { Batcher } from '../connection/batcher.ts';
import type { Store } from '../connection/store.ts';
import type { Transaction } from '../connection/transaction.ts';
import { CursorSet } from '../wakeup/cursor-set.ts';
import type { CommitNotifier } from '../wakeup/notifier.ts';
import type { WaiterRegistry } from '../wakeup/waiter-registry.ts';
import { fetchEphemeral, storeEphemeral } from './ephemeral.ts';
import { hasLostEvents, SqliteEventCursor } from './event-cursor.ts';
import { lastSeqBefore, loadNamespaceLog, MatchingTopics } from './event-log.ts';
import { parsePosition } from './position.ts';

export class EventCursors extends CursorSet<SqliteEventCursor> {
  /** Number of the last ephemeral event fetched from the store. */
  #fetched = 0;
  #fetchedFrom = '';
  #isFetching = false;

  constructor(batcher: Batcher, registry: WaiterRegistry, commits: CommitNotifier) {
    super('topic', batcher, registry, matchTopic, commits);
    commits.committed.subscribe(({ publishedTopics }) => this.wake(publishedTopics));
  }

  subscribe(pattern: string, from: From, context: CallContext): Promise<SqliteEventCursor> {
    const create = (tx: Transaction, onClose: () => void): SqliteEventCursor => {
      const start = { storeId: tx.store.storeId, seq: findStart(tx, pattern, from) };
      if (this.size === 0) {
        this.#fetched = tx.counters().ephemeral;
        this.#fetchedFrom = tx.store.storeId;
      }
      return new SqliteEventCursor(pattern, start, this.batcher, onClose);
    };
    return this.open(pattern, create, context);
  }

  /** Another process has published: all cursors read, and ephemeral events are fetched. */
  override wakeAll(): void {
    if (this.size === 0) return;
    super.wakeAll();
    if (!this.#isFetching) void this.#fetch();
  }

  /** Publishes ephemeral events. They are written to the store only if other processes subscribe to the topic. */
  async publishEphemeral(
    topic: string,
    messages: readonly PreparedMessage[],
    context: CallContext,
  ): Promise<PublishResult[]> {
    const hasOthers = await this.batcher.read((tx) => {
      if (this.registry.forTopic(tx, topic).length > 0) return true;
      this.#pushAfterCommit(tx, messages);
      return false;
    }, context);
    if (hasOthers) {
      await this.batcher.write((tx) => {
        storeEphemeral(tx, this.registry.process, messages);
        for (const process of this.registry.forTopic(tx, topic)) tx.processesToWake.add(process);
        this.#pushAfterCommit(tx, messages);
      }, context);
    }
    return messages.map(({ id }) => ({ id, status: 'stored' }));
  }

  #pushAfterCommit(tx: Transaction, messages: readonly PreparedMessage[]): void {
    const after = tx.counters().eventHead;
    tx.afterCommit(() => {
      for (const message of messages) {
        const { delayMs, ttlMs, maxAttempts, ...rest } = message;
        const event = { ...rest, position: undefined } as TopicEvent;
        for (const cursor of this) cursor.pushEphemeral({ event, after });
      }
    });
  }

  async #fetch(): Promise<void> {
    this.#isFetching = true;
    try {
      for (let isMore = true; isMore && this.size > 0; ) {
        const fetched = await this.batcher.readAhead((tx) => {
          const { storeId } = tx.store;
          const after = this.#fetchedFrom === storeId ? Math.min(this.#fetched, tx.counters().ephemeral) : 0;
          return { ...fetchEphemeral(tx, this.registry.process, after), storeId };
        });
        this.#fetched = fetched.upTo;
        this.#fetchedFrom = fetched.storeId;
        isMore = fetched.isMore;
        for (const cursor of this) {
          cursor.drop(fetched.lost);
          for (const event of fetched.events) cursor.pushEphemeral(event);
        }
      }
    } catch {
      // The next wake-up continues from the same number.
    } finally {
      this.#isFetching = false;
    }
  }
}

/** The number of the event after which a subscription or binding starts. */
export function findStart(tx: Transaction, pattern: string, from: From): number {
  const head = tx.counters().eventHead;
  if (from === 'new') return head;
  const { pruned } = loadNamespaceLog(tx.store);
  if (from === 'start') return pruned;
  if ('time' in from) return Math.max(pruned, lastSeqBefore(tx.store, from.time));
  const seq = parsePosition(tx.store.storeId, from.after);
  if (seq > head) {
    throw invalid('the position is ahead of the log', "The store was restored from an older copy; use from: 'start'.");
  }
  if (seq < pruned && hasLostEvents(tx, matchingTopics(tx.store, pattern), seq)) throw positionExpired();
  return seq;
}

function matchingTopics(store: Store, pattern: string): readonly number[] {
  return new MatchingTopics(pattern).ids(store, Number.POSITIVE_INFINITY);
}
