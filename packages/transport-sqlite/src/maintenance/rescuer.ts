/** Rescues messages whose lease has ended: they become ready again, or dead letters after their last attempt. */

import type { Transaction } from '../connection/transaction.ts';
import { bury, endAttempt, loadAttemptState, maxAttemptsOf, requeue } from '../queues/attempts.ts';
import { findExpiredRuns, removeFromRun } from '../queues/lease-runs.ts';
import type { QueueRow } from '../queues/queue-row.ts';

/** Messages of one step. */
const STEP = 100;

/** Rescues a step of all queues. Returns true when more leases have ended. */
export function rescueExpiredLeases(tx: Transaction): boolean {
  let left = STEP;
  for (const run of findExpiredRuns(tx, STEP)) {
    const queue = tx.queueById(run.queueId);
    if (queue === undefined) continue;
    const to = Math.min(run.last, run.first + left - 1);
    removeFromRun(tx, run, run.first, to);
    for (let seq = run.first; seq <= to; seq += 1) rescue(tx, queue, seq, run.consumer);
    left -= to - run.first + 1;
    if (left === 0) break;
  }
  tx.rowCount += STEP - left;
  return left === 0;
}

function rescue(tx: Transaction, queue: QueueRow, seq: number, consumer: string | null): void {
  queue.leased -= 1;
  queue.isChanged = true;
  const message = loadAttemptState(tx, seq);
  if (message === undefined) return;
  const record = { outcome: 'expired', reason: undefined, consumer: consumer ?? undefined } as const;
  const ended = endAttempt(tx, message, record);
  if (ended.attempts >= maxAttemptsOf(queue, ended)) bury(tx, queue, seq, 'the lease of the last attempt ended');
  else requeue(tx, queue, ended, ended.at);
}
