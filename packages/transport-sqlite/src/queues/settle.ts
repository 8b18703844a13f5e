/** Settling: what a consumer says of the deliveries it holds. */

import type { Settlement, SettleResult } from '@busbar/api/transport';
import type { Kind } from '../connection/call-coalescer.ts';
import type { Transaction } from '../connection/transaction.ts';
import { giveBack } from '../maintenance/rescuer.ts';
import { bury, endAttempt, loadState, maxAttemptsOf } from './attempts.ts';
import { addLease, carve, findLease, type LeaseRun } from './lease-runs.ts';
import { unblock } from './messages.ts';
import type { QueueRow } from './queue-row.ts';
import { type Lease, ReceiptReader } from './receipt.ts';

/** Settles in order; one result each. */
export const SETTLE: Kind<Settlement, SettleResult> = {
  work: (transaction, _on, settlements) => settleAll(transaction, settlements),
  fail: ({ receipt }) => ({ receipt, status: 'unknown' }),
};

function settleAll(transaction: Transaction, settlements: readonly Settlement[]): SettleResult[] {
  const reader = new ReceiptReader();
  const results: SettleResult[] = [];
  let leases: Lease[] = [];
  const ackThese = (): void => {
    if (leases.length > 0) ackRun(transaction, leases, results);
    leases = [];
  };
  for (const settlement of settlements) {
    const { receipt } = settlement;
    const lease = reader.read(receipt);
    const before = leases.at(-1);
    if (before !== undefined && (settlement.action !== 'ack' || !follows(lease, before))) ackThese();
    results.push({ receipt, status: 'lease-lost' });
    if (lease === undefined) continue;
    if (settlement.action === 'ack') leases.push(lease);
    else results[results.length - 1] = settleOne(transaction, settlement, lease);
  }
  ackThese();
  return results;
}

/** Whether two messages stand one after the other in the table and were claimed together. */
function follows(lease: Lease | undefined, before: Lease): boolean {
  return lease?.seq === before.seq + 1 && lease.token === before.token && lease.queueId === before.queueId;
}

/** Acks messages that follow each other, the last of `results`: they go with two statements, however many they are. */
function ackRun(transaction: Transaction, leases: readonly Lease[], results: SettleResult[]): void {
  const begin = results.length - leases.length;
  for (let index = 0; index < leases.length; ) {
    const lease = leases[index] as Lease;
    const held = findHeld(transaction, lease);
    if (held === undefined) {
      index += 1;
      continue;
    }
    const { run, queue } = held;
    const count = Math.min(leases.length - index, run.last - lease.seq + 1);
    const to = lease.seq + count - 1;
    carve(transaction, run, lease.seq, to);
    removeJobs(transaction, queue, lease.seq, to);
    queue.leased -= count;
    queue.done += count;
    for (const end = index + count; index < end; index += 1) {
      results[begin + index] = { receipt: results[begin + index]?.receipt ?? '', status: 'done' };
    }
  }
}

function removeJobs(transaction: Transaction, queue: QueueRow, first: number, last: number): void {
  const { store } = transaction;
  if (queue.blocked === 0) {
    store.sql('DELETE FROM job WHERE seq BETWEEN ? AND ?').run(first, last);
    return;
  }
  const keys = store
    .sql<[string | null]>('DELETE FROM job WHERE seq BETWEEN ? AND ? RETURNING ordering_key')
    .all(first, last);
  for (const [key] of keys) unblock(transaction, queue, key);
}

/** The run that a lease still holds its message in, undefined when it is lost. */
function findHeld(transaction: Transaction, lease: Lease): { run: LeaseRun; queue: QueueRow } | undefined {
  const run = findLease(transaction, lease.seq);
  if (run?.token !== lease.token || run.queueId !== lease.queueId || run.until <= transaction.now) return undefined;
  const queue = transaction.queueById(lease.queueId);
  if (queue?.ns !== transaction.store.ns) return undefined;
  queue.use(transaction.now);
  return { run, queue };
}

type Other = Exclude<Settlement, { action: 'ack' }>;

function settleOne(transaction: Transaction, settlement: Other, lease: Lease): SettleResult {
  const { receipt } = settlement;
  const held = findHeld(transaction, lease);
  if (held === undefined) return { receipt, status: 'lease-lost' };
  const { run, queue } = held;
  carve(transaction, run, lease.seq, lease.seq);
  if (settlement.action === 'extend') {
    const { leaseMs } = queue.settings;
    const until = Math.ceil(transaction.now + leaseMs);
    addLease(transaction, { ...run, first: lease.seq, last: lease.seq, until });
    return { receipt, status: 'done', leaseLeftMs: leaseMs };
  }
  queue.leased -= 1;
  end(transaction, queue, lease.seq, settlement, run.consumer ?? undefined);
  return { receipt, status: 'done' };
}

function end(
  transaction: Transaction,
  queue: QueueRow,
  seq: number,
  settlement: Exclude<Other, { action: 'extend' }>,
  consumer: string | undefined,
): void {
  const job = loadState(transaction, seq);
  if (job === undefined) return;
  if (settlement.action === 'release') {
    giveBack(transaction, queue, job, job.at);
    return;
  }
  const { action: outcome, reason } = settlement;
  const ended = endAttempt(transaction, job, { outcome, reason, consumer });
  if (outcome === 'reject' || ended.attempts >= maxAttemptsOf(queue, ended)) {
    bury(transaction, queue, seq, reason ?? (outcome === 'reject' ? 'rejected' : 'attempts used up'));
    return;
  }
  const { delayMs = 0 } = settlement;
  const at = delayMs > 0 ? Math.ceil(transaction.now + delayMs) : job.at;
  if (at !== job.at) transaction.store.sql('UPDATE job SET at=? WHERE seq=?').run(at, seq);
  giveBack(transaction, queue, ended, at);
}
