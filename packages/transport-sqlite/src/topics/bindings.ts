/** Which queues a topic feeds: read once, and again only when the store says that a binding has changed. */

import { matchTopic } from '@busbar/api/transport';
import type { Store } from '../connection/store.ts';
import type { Transaction } from '../connection/transaction.ts';
import type { QueueRow } from '../queues/queue-row.ts';
import { endCopy } from './backfill.ts';

interface Bound {
  readonly queueId: number;
  readonly pattern: string;
}

const MAX_REMEMBERED = 10_000;

export class Bindings {
  #version = -1;
  #all: readonly Bound[] = [];
  readonly #byTopic = new Map<string, readonly number[]>();

  /** The ids of the queues that get what is published on `topic`: each once, however many patterns match. */
  queuesFor(transaction: Transaction, topic: string): readonly number[] {
    const { bindings } = transaction.counter();
    if (bindings !== this.#version) this.#load(transaction.store, bindings);
    const known = this.#byTopic.get(topic);
    if (known !== undefined) return known;
    const matching = this.#all.filter(({ pattern }) => matchTopic(pattern, topic));
    const ids = [...new Set(matching.map(({ queueId }) => queueId))];
    if (this.#byTopic.size >= MAX_REMEMBERED) this.#byTopic.clear();
    this.#byTopic.set(topic, ids);
    return ids;
  }

  /** What was read belongs to a transaction that did not come to be, or may have. */
  forget(): void {
    this.#version = -1;
  }

  #load(store: Store, version: number): void {
    const rows = store.sql<[number, string]>('SELECT queue_id, pattern FROM binding WHERE ns=?').all(store.ns);
    this.#all = rows.map(([queueId, pattern]) => ({ queueId, pattern }));
    this.#byTopic.clear();
    this.#version = version;
  }
}

/** Binds a queue to what comes after event `since`; history follows step by step. False when it is bound already. */
export function bind(transaction: Transaction, queue: QueueRow, pattern: string, since: number): boolean {
  const { store } = transaction;
  const counter = transaction.counter();
  const next = since < counter.logHead ? since + 1 : null;
  const { changes } = store
    .sql('INSERT OR IGNORE INTO binding (ns, queue_id, pattern, since, next, last) VALUES (?,?,?,?,?,?)')
    .run(store.ns, queue.id, pattern, since, next, counter.logHead);
  if (changes === 0) return false;
  counter.bindings += 1;
  if (next !== null) queue.copying += 1;
  queue.isChanged = true;
  return true;
}

/** Ends a binding. What is in the queue stays. */
export function unbind(transaction: Transaction, queue: QueueRow, pattern: string): void {
  const gone = transaction.store
    .sql<[number | null]>('DELETE FROM binding WHERE queue_id=? AND pattern=? RETURNING next')
    .get(queue.id, pattern);
  if (gone === undefined) return;
  transaction.counter().bindings += 1;
  if (gone[0] !== null) endCopy(queue);
}
