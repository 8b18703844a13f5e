/** Delayed messages whose time has come. */

import type { Transaction } from '../connection/transaction.ts';
import type { QueueRow } from '../queues/queue-row.ts';
import { addReady } from '../queues/ready-runs.ts';

/** Messages that one claim or sweep brings forward at most. */
const STEP = 200;

/** Makes ready what of a queue has come due, in due order. True when more has. */
export function promoteDue(transaction: Transaction, queue: QueueRow): boolean {
  const { store, now } = transaction;
  const due = store
    .sql<[number, number, number]>(
      `SELECT delayed.seq, delayed.due, job.priority FROM delayed JOIN job ON job.seq = delayed.seq
       WHERE delayed.queue_id=? AND delayed.due <= ? ORDER BY delayed.due, delayed.seq LIMIT ${STEP}`,
    )
    .all(queue.id, now);
  for (const [seq, at, priority] of due) {
    store.sql('DELETE FROM delayed WHERE queue_id=? AND due=? AND seq=?').run(queue.id, at, seq);
    addReady(transaction, queue, { rank: 9 - priority, at, first: seq, last: seq });
  }
  if (due.length === 0) return false;
  queue.delayed -= due.length;
  transaction.work += due.length;
  return due.length === STEP;
}
