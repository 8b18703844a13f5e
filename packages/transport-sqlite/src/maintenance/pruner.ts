/** Prunes queues: expired messages, dead letters, idle queues, and the rows of deleted queues. */

import { deleteQueue } from '../admin/operate.ts';
import { CLOSED_QUEUES, IS_LEASED } from '../connection/schema.ts';
import type { Transaction } from '../connection/transaction.ts';
import { expire } from '../queues/attempts.ts';
import { deleteScope } from '../queues/dedupe.ts';
import { removeFromState } from '../queues/message-state.ts';

/** Messages and other rows of one step. */
const MESSAGE_STEP = 200;
const ROW_STEP = 500;
const QUEUE_STEP = 100;

/** Removes expired messages that are not leased. Returns true when there are more. */
export function pruneExpiredMessages(tx: Transaction): boolean {
  const expired = tx
    .sql<[number, number, number, number]>(
      `SELECT message.seq, message.queue_id, at, priority FROM message
       WHERE expires IS NOT NULL AND expires<=? AND queue_id NOT IN (${CLOSED_QUEUES}) AND NOT ${IS_LEASED}
       ORDER BY expires LIMIT ${MESSAGE_STEP}`,
    )
    .all(tx.now);
  for (const [seq, queueId, at, priority] of expired) {
    const queue = tx.queueById(queueId);
    if (queue === undefined || !removeFromState(tx, queue, { seq, at, priority })) continue;
    expire(tx, queue, seq);
  }
  tx.rowCount += expired.length;
  return expired.length === MESSAGE_STEP;
}

/** Deletes dead letters older than `deadTtlMs` of their queue. Returns true when there are more. */
export function pruneDeadLetters(tx: Transaction): boolean {
  const expired = tx
    .sql<[number, number]>(
      `SELECT dead.seq, queue.id FROM queue JOIN dead ON dead.queue_id = queue.id
       WHERE queue.dead > 0 AND queue.dead_ttl_ms IS NOT NULL AND dead.died_at <= ? - queue.dead_ttl_ms
         AND queue.id NOT IN (${CLOSED_QUEUES}) LIMIT ${ROW_STEP}`,
    )
    .all(tx.now);
  for (const [seq, queueId] of expired) {
    const queue = tx.queueById(queueId);
    if (queue === undefined) continue;
    tx.sql('DELETE FROM dead WHERE seq=?').run(seq);
    queue.dead -= 1;
    queue.isChanged = true;
  }
  tx.rowCount += expired.length;
  return expired.length === ROW_STEP;
}

/** Deletes queues that were idle for their `expireIdleMs`. Returns true when there are more. */
export function pruneIdleQueues(tx: Transaction): boolean {
  const idle = tx
    .sql<[number]>(
      `SELECT id FROM queue WHERE expire_idle_ms IS NOT NULL AND used_at + expire_idle_ms <= ?
         AND id NOT IN (${CLOSED_QUEUES}) LIMIT ${QUEUE_STEP}`,
    )
    .all(tx.now);
  for (const [id] of idle) {
    const queue = tx.queueById(id);
    if (queue !== undefined) deleteQueue(tx, queue);
  }
  return idle.length === QUEUE_STEP;
}

/** Removes a step of the rows of deleted queues. Returns true when there are more. */
export function pruneDeletedQueues(tx: Transaction): boolean {
  const deleted = tx.sql<[number]>(`SELECT id FROM queue WHERE ns IS NULL LIMIT ${QUEUE_STEP}`).all();
  let removed = 0;
  for (const [id] of deleted) {
    const count = pruneRowsOf(tx, id);
    removed += count + 1;
    if (count === 0) tx.sql('DELETE FROM queue WHERE id=?').run(id);
    if (removed >= ROW_STEP) break;
  }
  tx.rowCount += removed;
  return deleted.length > 0;
}

function pruneRowsOf(tx: Transaction, queueId: number): number {
  const runs = deleteRun(tx, queueId, 'ready') + deleteRun(tx, queueId, 'leased');
  const singles = deleteSingles(tx, queueId, 'delayed') + deleteSingles(tx, queueId, 'blocked');
  const dead = tx
    .sql(`DELETE FROM dead WHERE seq IN (SELECT seq FROM dead WHERE queue_id=? LIMIT ${ROW_STEP})`)
    .run(queueId).changes;
  return runs + singles + dead + deleteScope(tx, queueId);
}

/** A run holds at most the messages of one step of a send, or of one claim. */
function deleteRun({ store }: Transaction, queueId: number, table: 'ready' | 'leased'): number {
  const run = store.sql<[number, number]>(`SELECT seq, last FROM ${table} WHERE queue_id=? LIMIT 1`).get(queueId);
  if (run === undefined) return 0;
  store.sql(`DELETE FROM ${table} WHERE queue_id=? AND seq=?`).run(queueId, run[0]);
  return store.sql('DELETE FROM message WHERE seq BETWEEN ? AND ?').run(...run).changes;
}

function deleteSingles({ store }: Transaction, queueId: number, table: 'delayed' | 'blocked'): number {
  const seqs = store.sql<[number]>(`SELECT seq FROM ${table} WHERE queue_id=? LIMIT ${ROW_STEP}`).all(queueId);
  for (const [seq] of seqs) store.sql('DELETE FROM message WHERE seq=?').run(seq);
  const list = JSON.stringify(seqs.map(([seq]) => seq));
  store.sql(`DELETE FROM ${table} WHERE queue_id=? AND seq IN (SELECT value FROM json_each(?))`).run(queueId, list);
  return seqs.length;
}
