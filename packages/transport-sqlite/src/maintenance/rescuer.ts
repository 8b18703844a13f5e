/** Rescues messages whose lease has ended: they become ready again, or dead letters after their last attempt. */

import type { Transaction } from '../connection/transaction.ts';
import { bury, endAttempt, loadAttemptState, maxAttemptsOf, requeue } from '../queues/attempts.ts';
import { findExpiredRuns, removeFromRun } from '../queues/lease-runs.ts';
import type { QueueRow } from '../queues/queue-row.ts';

/** Messages of one step. */
const STEP = 100;

/** Rescues a step of all queues. Returns true when more leases have ended. */
export function rescueExpiredLeases(transaction: Transaction): boolean {
  let left = STEP;
  for (const run of findExpiredRuns(transaction, STEP)) {
    const queue = transaction.queueById(run.queueId);
    if (queue === undefined) continue;
    const to = Math.min(run.last, run.first + left - 1);
    removeFromRun(transaction, run, run.first, to);
    for (let seq = run.first; seq <= to; seq += 1) rescue(transaction, queue, seq, run.consumer);
    left -= to - run.first + 1;
    if (left === 0) break;
  }
  transaction.rowCount += STEP - left;
  return left === 0;
}

function rescue(transaction: Transaction, queue: QueueRow, seq: number, consumer: string | null): void {
  queue.leased -= 1;
  queue.isChanged = true;
  const message = loadAttemptState(transaction, seq);
  if (message === undefined) return;
  const record = { outcome: 'expired', reason: undefined, consumer: consumer ?? undefined } as const;
  const ended = endAttempt(transaction, message, record);
  if (ended.attempts >= maxAttemptsOf(queue, ended))
    bury(transaction, queue, seq, 'the lease of the last attempt ended');
  else requeue(transaction, queue, ended, ended.at);
}
