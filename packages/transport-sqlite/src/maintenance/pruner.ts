/** Dead letters and queues whose time is over. */

import { deleteQueue } from '../admin/operate.ts';
import type { Transaction } from '../connection/transaction.ts';

/** Rows of one step. */
const STEP = 500;
const QUEUES = 100;

/** Removes a step of the dead letters that were kept long enough. True when there is more. */
export function sweepDead(transaction: Transaction): boolean {
  const { store, now } = transaction;
  const over = store
    .sql<[number, number]>(
      `SELECT dead.seq, queue.id FROM queue JOIN dead ON dead.queue_id = queue.id
       WHERE queue.dead > 0 AND queue.dead_ttl_ms IS NOT NULL AND dead.died_at <= ? - queue.dead_ttl_ms LIMIT ${STEP}`,
    )
    .all(now);
  for (const [seq, queueId] of over) {
    const queue = transaction.queueById(queueId);
    if (queue === undefined) continue;
    store.sql('DELETE FROM dead WHERE seq=?').run(seq);
    queue.dead -= 1;
    queue.isChanged = true;
  }
  transaction.work += over.length;
  return over.length === STEP;
}

/** Deletes queues that nobody has used for as long as they are to be kept. True when there are more. */
export function sweepIdleQueues(transaction: Transaction): boolean {
  const { store, now } = transaction;
  const idle = store
    .sql<[number]>(
      `SELECT id FROM queue WHERE expire_idle_ms IS NOT NULL AND used_at + expire_idle_ms <= ? LIMIT ${QUEUES}`,
    )
    .all(now);
  for (const [id] of idle) {
    const queue = transaction.queueById(id);
    if (queue !== undefined) deleteQueue(transaction, queue);
  }
  return idle.length === QUEUES;
}
