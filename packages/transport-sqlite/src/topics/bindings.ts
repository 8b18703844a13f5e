/** Bindings of queues to topics, cached until one changes. */

import { matchTopic } from '@busbar/api/transport';
import type { Store } from '../connection/store.ts';
import type { Transaction } from '../connection/transaction.ts';
import type { QueueRow } from '../queues/queue-row.ts';
import type { CommitNotifier } from '../wakeup/notifier.ts';
import { completeBackfill } from './backfill.ts';

interface BindingRow {
  readonly queueId: number;
  readonly pattern: string;
}

const MAX_CACHED_TOPICS = 10_000;

export class BindingCache {
  #version = -1;
  #all: readonly BindingRow[] = [];
  readonly #byTopic = new Map<string, readonly number[]>();

  constructor(commits: CommitNotifier) {
    // The version may have been read in the transaction that was rolled back.
    commits.rolledBack.subscribe(() => {
      this.#version = -1;
    });
  }

  /** The ids of the queues bound to `topic`, each once, even if several patterns match. */
  queuesFor(tx: Transaction, topic: string): readonly number[] {
    const { bindings } = tx.counters();
    if (bindings !== this.#version) this.#load(tx.store, bindings);
    const known = this.#byTopic.get(topic);
    if (known !== undefined) return known;
    const matching = this.#all.filter(({ pattern }) => matchTopic(pattern, topic));
    const ids = [...new Set(matching.map(({ queueId }) => queueId))];
    if (this.#byTopic.size >= MAX_CACHED_TOPICS) this.#byTopic.clear();
    this.#byTopic.set(topic, ids);
    return ids;
  }

  #load(store: Store, version: number): void {
    const rows = store.sql<[number, string]>('SELECT queue_id, pattern FROM binding WHERE ns=?').all(store.ns);
    this.#all = rows.map(([queueId, pattern]) => ({ queueId, pattern }));
    this.#byTopic.clear();
    this.#version = version;
  }
}

/** Binds a queue to the events after number `since`. Past ones follow by backfill. Returns false if it is already bound. */
export function bind(tx: Transaction, queue: QueueRow, pattern: string, since: number): boolean {
  const counters = tx.counters();
  const next = since < counters.eventHead ? since + 1 : null;
  const { changes } = tx
    .sql(
      'INSERT OR IGNORE INTO binding (ns, queue_id, pattern, since, backfill_next, backfill_last) VALUES (?,?,?,?,?,?)',
    )
    .run(tx.ns, queue.id, pattern, since, next, counters.eventHead);
  if (changes === 0) return false;
  counters.bindings += 1;
  if (next !== null) queue.backfills += 1;
  queue.isChanged = true;
  return true;
}

/** Removes a binding. Messages already in the queue stay, and history that is not in it yet is added before. */
export function unbind(tx: Transaction, queue: QueueRow, pattern: string): void {
  completeBackfill(tx, queue, pattern);
  if (tx.sql('DELETE FROM binding WHERE queue_id=? AND pattern=?').run(queue.id, pattern).changes === 0) return;
  tx.counters().bindings += 1;
}
