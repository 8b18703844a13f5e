/** Leases that end other than by an ack: what becomes of their messages. */

import { bury, endAttempt, expire, type JobState, loadState, maxAttemptsOf } from './attempts.ts';
import { place } from './jobs.ts';
import type { QueueRow } from './queue-row.ts';
import type { Transaction } from './transaction.ts';

/** Leases that one claim or sweep ends at most. */
const STEP = 100;

/** Ends leases that have run out, of whatever queue. True when there are more. */
export function requeueExpired(transaction: Transaction): boolean {
  const { store, now } = transaction;
  const expired = store
    .sql<[number, number, string | null]>(
      `SELECT leased.seq, queue_id, consumer FROM leased JOIN queue ON queue.id = queue_id AND queue.ns = ?
       WHERE until <= ? ORDER BY until LIMIT ${STEP}`,
    )
    .all(store.ns, now);
  for (const [seq, queueId, consumer] of expired) {
    const queue = transaction.queueById(queueId);
    if (queue === undefined) continue;
    unlease(transaction, queue, seq);
    const job = loadState(transaction, seq);
    if (job === undefined) continue;
    const ended = endAttempt(transaction, job, {
      outcome: 'expired',
      reason: undefined,
      consumer: consumer ?? undefined,
    });
    putBack(transaction, queue, ended, 'its last lease ran out');
  }
  transaction.work += expired.length;
  return expired.length === STEP;
}

/** Takes the lease from a message. */
export function unlease(transaction: Transaction, queue: QueueRow, seq: number): void {
  transaction.store.sql('DELETE FROM leased WHERE seq=?').run(seq);
  queue.leased -= 1;
  queue.isChanged = true;
}

/** Puts a message whose attempt was counted back to its place, or away when it is over. */
export function putBack(transaction: Transaction, queue: QueueRow, job: JobState, reason: string): void {
  if (job.attempts >= maxAttemptsOf(queue, job)) bury(transaction, queue, job.seq, reason);
  else giveBack(transaction, queue, job, job.at);
}

/** Puts a message back at `at`, unless its time to live is over. */
export function giveBack(transaction: Transaction, queue: QueueRow, job: JobState, at: number): void {
  const { seq, priority } = job;
  if (job.expires !== null && job.expires <= transaction.now) expire(transaction, queue, seq);
  // It is the first of its ordering key as long as it is there: nothing it would have to wait for.
  else place(transaction, queue, { seq, at, priority, orderingKey: undefined });
}
