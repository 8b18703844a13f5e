/** Promotes delayed messages that are due: they become ready. */

import { CLOSED_QUEUES } from '../connection/schema.ts';
import type { Transaction } from '../connection/transaction.ts';
import type { QueueRow } from '../queues/queue-row.ts';
import { addReady } from '../queues/ready-runs.ts';

/** Messages of one step. */
const QUEUE_STEP = 200;
const STEP = 500;

/** Promotes a step of all queues. Returns true when more are due. */
export function promoteAllDue(tx: Transaction): boolean {
  const ids = tx
    .sql<[number]>(
      `SELECT DISTINCT queue_id FROM (
         SELECT queue_id FROM delayed WHERE due<=? AND queue_id NOT IN (${CLOSED_QUEUES}) ORDER BY due LIMIT ${STEP})`,
    )
    .all(tx.now);
  let isMore = false;
  for (const [id] of ids) {
    const queue = tx.queueById(id);
    if (queue !== undefined && promoteDue(tx, queue)) isMore = true;
  }
  return isMore;
}

/** Promotes a step of one queue, in due order. Returns true when more are due. */
export function promoteDue(tx: Transaction, queue: QueueRow): boolean {
  const due = tx
    .sql<[number, number, number, number]>(
      `SELECT delayed.seq, delayed.due, message.priority, message.at FROM delayed JOIN message ON message.seq = delayed.seq
       WHERE delayed.queue_id=? AND delayed.due <= ? ORDER BY delayed.due, delayed.seq LIMIT ${QUEUE_STEP}`,
    )
    .all(queue.id, tx.now);
  for (const [seq, at, priority, dueAt] of due) {
    // It has expired before it was due.
    if (at !== dueAt) tx.sql('UPDATE message SET at=? WHERE seq=?').run(at, seq);
    tx.sql('DELETE FROM delayed WHERE queue_id=? AND due=? AND seq=?').run(queue.id, at, seq);
    addReady(tx, queue, { rank: 9 - priority, at, first: seq, last: seq });
  }
  if (due.length === 0) return false;
  queue.delayed -= due.length;
  tx.rowCount += due.length;
  return due.length === QUEUE_STEP;
}
