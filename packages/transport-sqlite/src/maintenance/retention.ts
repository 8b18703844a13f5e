/** Retention of events: deletes the oldest ones of a namespace in bounded steps, and stores the number of the last one. */

import type { Retention } from '@busbar/api/driver';
import type { Transaction } from '../connection/transaction.ts';
import { loadNamespaceLog, type NamespaceLog, saveNamespaceLog } from '../topics/event-log.ts';

/** Events of one step. */
const STEP = 500;

/** seq, topic id, at, bytes. */
type EventRow = readonly [number, number, number, number];

/** Deletes a step of the events beyond the bounds. Returns true when there are more. */
export function pruneEvents(tx: Transaction, bounds: Retention): boolean {
  const log = loadNamespaceLog(tx.store);
  const own = findOwnTopics(tx);
  const floor = backfillFloor(tx);
  const deleted = new Map<number, { count: number; last: number }>();
  const rows = tx
    .sql<EventRow>(`SELECT seq, topic_id, at, bytes FROM event WHERE seq >= ? ORDER BY seq LIMIT ${STEP}`)
    .all(log.first);
  let isMore = rows.length === STEP;
  for (const [seq, topicId, at, bytes] of rows) {
    if (own.has(topicId)) {
      isMore &&= seq < floor && isOver(log, at, bounds);
      if (seq >= floor || !isOver(log, at, bounds)) break;
      deleteEvent(tx, log, seq, bytes);
      deleted.set(topicId, { count: (deleted.get(topicId)?.count ?? 0) + 1, last: seq });
    }
    log.first = seq + 1;
  }
  const update = tx.sql('UPDATE topic SET events = events - ?, pruned = ? WHERE id=?');
  for (const [topicId, { count, last }] of deleted) update.run(count, last, topicId);
  saveNamespaceLog(tx.store, log);
  tx.rowCount += rows.length;
  return isMore;
}

function isOver(log: NamespaceLog, at: number, { maxEvents, maxBytes, maxAgeMs }: Retention): boolean {
  return log.events > maxEvents || log.bytes > maxBytes || at < Date.now() - maxAgeMs;
}

function deleteEvent({ store }: Transaction, log: NamespaceLog, seq: number, bytes: number): void {
  store.sql('DELETE FROM event WHERE seq=?').run(seq);
  log.events -= 1;
  log.bytes -= bytes;
  log.pruned = seq;
}

function findOwnTopics({ store }: Transaction): Set<number> {
  const rows = store.sql<[number]>('SELECT id FROM topic WHERE ns=? AND events > 0').all(store.ns);
  return new Set(rows.map(([id]) => id));
}

/** Whether there are events beyond the bounds. Reads only. */
export function isOverRetention(tx: Transaction, bounds: Retention): boolean {
  const log = loadNamespaceLog(tx.store);
  if (log.events > bounds.maxEvents || log.bytes > bounds.maxBytes) return true;
  if (log.events === 0) return false;
  const oldest = tx.value('SELECT at FROM event WHERE seq >= ? ORDER BY seq LIMIT 1', log.first);
  return typeof oldest === 'number' && oldest < Date.now() - bounds.maxAgeMs;
}

/** The first event that a backfill still needs. */
function backfillFloor({ store }: Transaction): number {
  const next = store.value(
    'SELECT min(backfill_next) FROM binding WHERE backfill_next IS NOT NULL AND ns=?',
    store.ns,
  ) as number | null;
  return next ?? Number.POSITIVE_INFINITY;
}
