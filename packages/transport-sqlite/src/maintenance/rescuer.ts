/** Leases that end other than by an ack: what becomes of their messages. */

import type { Transaction } from '../connection/transaction.ts';
import { bury, endAttempt, expire, type JobState, loadState, maxAttemptsOf } from '../queues/attempts.ts';
import { carve, overdue } from '../queues/lease-runs.ts';
import { place } from '../queues/messages.ts';
import type { QueueRow } from '../queues/queue-row.ts';

/** Messages that one claim or sweep takes leases from at most. */
const STEP = 100;

/** Ends leases that have run out, of whatever queue. True when there are more. */
export function requeueExpired(transaction: Transaction): boolean {
  let left = STEP;
  for (const run of overdue(transaction, STEP)) {
    const queue = transaction.queueById(run.queueId);
    if (queue === undefined) continue;
    const to = Math.min(run.last, run.first + left - 1);
    carve(transaction, run, run.first, to);
    for (let seq = run.first; seq <= to; seq += 1) lose(transaction, queue, seq, run.consumer);
    left -= to - run.first + 1;
    if (left === 0) break;
  }
  transaction.work += STEP - left;
  return left === 0;
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

function lose(transaction: Transaction, queue: QueueRow, seq: number, consumer: string | null): void {
  queue.leased -= 1;
  queue.isChanged = true;
  const job = loadState(transaction, seq);
  if (job === undefined) return;
  const record = { outcome: 'expired', reason: undefined, consumer: consumer ?? undefined } as const;
  putBack(transaction, queue, endAttempt(transaction, job, record), 'the lease of the last attempt ended');
}
