/** Messages whose time to live is over, taken out though nobody receives. */

import { IS_LEASED } from '../connection/schema.ts';
import type { Transaction } from '../connection/transaction.ts';
import { expire } from '../queues/attempts.ts';
import { displace } from '../queues/messages.ts';

/** Messages of one step. */
const STEP = 200;

/** Drops what has expired and is not leased, of whatever queue. True when there is more. */
export function expireJobs(transaction: Transaction): boolean {
  const { store, now } = transaction;
  const over = store
    .sql<[number, number, number, number]>(
      `SELECT job.seq, job.queue_id, at, priority FROM job
       WHERE expires IS NOT NULL AND expires<=? AND NOT ${IS_LEASED}
       ORDER BY expires LIMIT ${STEP}`,
    )
    .all(now);
  for (const [seq, queueId, at, priority] of over) {
    const queue = transaction.queueById(queueId);
    if (queue === undefined || !displace(transaction, queue, { seq, at, priority })) continue;
    expire(transaction, queue, seq);
  }
  transaction.work += over.length;
  return over.length === STEP;
}
