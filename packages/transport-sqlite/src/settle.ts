/** Settling: what a consumer says of the deliveries it holds. */

import type { Settlement, SettleResult } from '@busbar/api/transport';
import { bury, endAttempt, loadState, maxAttemptsOf } from './attempts.ts';
import { unblock } from './jobs.ts';
import { giveBack, unlease } from './leases.ts';
import type { QueueRow } from './queue-row.ts';
import { type Lease, parseReceipt } from './receipt.ts';
import type { Transaction } from './transaction.ts';

type Unfinished = Exclude<Settlement, { action: 'ack' }>;

/** Settles in order; one result each. */
export function settleAll(transaction: Transaction, settlements: readonly Settlement[]): SettleResult[] {
  const results: SettleResult[] = [];
  let index = 0;
  while (index < settlements.length) {
    const run = ackRun(settlements, index);
    if (run.length > 0) results.push(...ackAll(transaction, run));
    else results.push(settleOne(transaction, settlements[index] as Unfinished));
    index += Math.max(1, run.length);
  }
  transaction.work += settlements.length;
  return results;
}

interface Ack {
  readonly receipt: string;
  readonly lease: Lease;
}

/** The acks from `from` on that follow each other in the table and were claimed together: they go with two statements. */
function ackRun(settlements: readonly Settlement[], from: number): Ack[] {
  const run: Ack[] = [];
  for (let index = from; index < settlements.length; index += 1) {
    const settlement = settlements[index];
    if (settlement?.action !== 'ack') break;
    const lease = parseReceipt(settlement.receipt);
    if (lease === undefined) break;
    const before = run.at(-1)?.lease;
    if (before !== undefined && !follows(lease, before)) break;
    run.push({ receipt: settlement.receipt, lease });
  }
  return run;
}

function follows(lease: Lease, before: Lease): boolean {
  return lease.seq === before.seq + 1 && lease.token === before.token && lease.queueId === before.queueId;
}

function ackAll(transaction: Transaction, run: readonly Ack[]): SettleResult[] {
  const first = run[0]?.lease;
  const last = run.at(-1)?.lease;
  if (first === undefined || last === undefined) return [];
  const queue = transaction.queueById(first.queueId);
  if (queue === undefined) return run.map(({ receipt }) => ({ receipt, status: 'lease-lost' }));
  const ended = transaction.store
    .sql<[number]>(
      'DELETE FROM leased WHERE seq BETWEEN ? AND ? AND token=? AND queue_id=? AND until > ? RETURNING seq',
    )
    .all(first.seq, last.seq, first.token, first.queueId, transaction.now);
  if (ended.length === run.length) removeRange(transaction, queue, first.seq, last.seq);
  else for (const [seq] of ended) removeRange(transaction, queue, seq, seq);
  queue.leased -= ended.length;
  queue.done += ended.length;
  queue.use(transaction.now);
  if (ended.length === run.length) return run.map(({ receipt }) => ({ receipt, status: 'done' }));
  const settled = new Set(ended.map(([seq]) => seq));
  return run.map(({ receipt, lease }) => ({ receipt, status: settled.has(lease.seq) ? 'done' : 'lease-lost' }));
}

function removeRange(transaction: Transaction, queue: QueueRow, first: number, last: number): void {
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

function settleOne(transaction: Transaction, settlement: Unfinished | Settlement): SettleResult {
  const { receipt } = settlement;
  const lease = parseReceipt(receipt);
  const queue = lease && transaction.queueById(lease.queueId);
  if (lease === undefined || queue === undefined) return { receipt, status: 'lease-lost' };
  const held = transaction.store
    .sql<[string | null]>('SELECT consumer FROM leased WHERE seq=? AND token=? AND queue_id=? AND until > ?')
    .get(lease.seq, lease.token, lease.queueId, transaction.now);
  if (held === undefined) return { receipt, status: 'lease-lost' };
  queue.use(transaction.now);
  if (settlement.action === 'extend') return extend(transaction, queue, lease.seq, receipt);
  unlease(transaction, queue, lease.seq);
  end(transaction, queue, lease.seq, settlement, held[0] ?? undefined);
  return { receipt, status: 'done' };
}

function extend(transaction: Transaction, queue: QueueRow, seq: number, receipt: string): SettleResult {
  const { leaseMs } = queue.settings;
  transaction.store.sql('UPDATE leased SET until=? WHERE seq=?').run(Math.ceil(transaction.now + leaseMs), seq);
  return { receipt, status: 'done', leaseLeftMs: leaseMs };
}

function end(
  transaction: Transaction,
  queue: QueueRow,
  seq: number,
  settlement: Settlement,
  consumer: string | undefined,
): void {
  const job = loadState(transaction, seq);
  if (job === undefined) return;
  if (settlement.action === 'release') giveBack(transaction, queue, job, job.at);
  if (settlement.action !== 'retry' && settlement.action !== 'reject') return;
  const { action: outcome, reason } = settlement;
  const ended = endAttempt(transaction, job, { outcome, reason, consumer });
  if (outcome === 'reject' || ended.attempts >= maxAttemptsOf(queue, ended)) {
    bury(transaction, queue, seq, reason ?? (outcome === 'reject' ? 'rejected' : 'attempts used up'));
    return;
  }
  const delayMs = settlement.action === 'retry' ? (settlement.delayMs ?? 0) : 0;
  const at = delayMs > 0 ? Math.ceil(transaction.now + delayMs) : job.at;
  if (at !== job.at) transaction.store.sql('UPDATE job SET at=? WHERE seq=?').run(at, seq);
  giveBack(transaction, queue, ended, at);
}
