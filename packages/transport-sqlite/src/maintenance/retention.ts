/** Retention: takes the oldest events of a namespace in bounded steps, and remembers up to where. */

import type { Transaction } from '../connection/transaction.ts';
import type { RetentionOptions } from '../options.ts';
import { loadSpace, type Space, saveSpace } from '../topics/event-log.ts';

/** Events that one step looks at. */
const STEP = 500;

/** seq, topic id, at, bytes. */
type Old = readonly [number, number, number, number];

/** Takes a step of what is over the bounds. True when there is more to take. */
export function trimLog(transaction: Transaction, bounds: Required<RetentionOptions>): boolean {
  const { store } = transaction;
  const space = loadSpace(store);
  const own = ownTopics(transaction);
  const floor = historyFloor(transaction);
  const taken = new Map<number, { count: number; last: number }>();
  const rows = store
    .sql<Old>(`SELECT seq, topic_id, at, bytes FROM log WHERE seq >= ? ORDER BY seq LIMIT ${STEP}`)
    .all(space.first);
  let isMore = rows.length === STEP;
  for (const [seq, topicId, at, bytes] of rows) {
    if (own.has(topicId)) {
      isMore &&= seq < floor && isOver(space, at, bounds);
      if (seq >= floor || !isOver(space, at, bounds)) break;
      take(transaction, space, seq, bytes);
      taken.set(topicId, { count: (taken.get(topicId)?.count ?? 0) + 1, last: seq });
    }
    space.first = seq + 1;
  }
  const note = store.sql('UPDATE topic SET events = events - ?, trimmed = ? WHERE id=?');
  for (const [topicId, { count, last }] of taken) note.run(count, last, topicId);
  saveSpace(store, space);
  transaction.work += rows.length;
  return isMore;
}

function isOver(space: Space, at: number, { maxEvents, maxBytes, maxAgeMs }: Required<RetentionOptions>): boolean {
  return space.events > maxEvents || space.bytes > maxBytes || at < Date.now() - maxAgeMs;
}

function take({ store }: Transaction, space: Space, seq: number, bytes: number): void {
  store.sql('DELETE FROM log WHERE seq=?').run(seq);
  space.events -= 1;
  space.bytes -= bytes;
  space.trimmed = seq;
}

function ownTopics({ store }: Transaction): Set<number> {
  const rows = store.sql<[number]>('SELECT id FROM topic WHERE ns=? AND events > 0').all(store.ns);
  return new Set(rows.map(([id]) => id));
}

/** Whether retention has something to take: a look without a write. */
export function isOverBounds(transaction: Transaction, bounds: Required<RetentionOptions>): boolean {
  const space = loadSpace(transaction.store);
  if (space.events > bounds.maxEvents || space.bytes > bounds.maxBytes) return true;
  if (space.events === 0) return false;
  const oldest = transaction.store.value('SELECT at FROM log WHERE seq >= ? ORDER BY seq LIMIT 1', space.first);
  return typeof oldest === 'number' && oldest < Date.now() - bounds.maxAgeMs;
}

/** History that a binding has still to copy stays until it has. */
function historyFloor({ store }: Transaction): number {
  const next = store.value('SELECT min(next) FROM binding WHERE next IS NOT NULL AND ns=?', store.ns) as number | null;
  return next ?? Number.POSITIVE_INFINITY;
}
