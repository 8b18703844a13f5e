/** Settles deliveries: ack, retry, reject, release, and extend, which renews a lease. */

import type { KvPut, Settlement, SettleResult } from '@busbar/api/transport';
import type { BatchHandler } from '../connection/call-coalescer.ts';
import type { Transaction } from '../connection/transaction.ts';
import { replaceEntries } from '../kv/kv.ts';
import { type AttemptState, bury, endAttempt, loadAttemptState, maxAttemptsOf, requeue } from './attempts.ts';
import { addLease, findLease, type LeaseRun, removeFromRun } from './lease-runs.ts';
import { unblockNext } from './message-state.ts';
import type { QueueRow } from './queue-row.ts';
import { type ReceiptLease, ReceiptReader } from './receipt.ts';

/** Settles in order and returns one result each. */
export const SETTLE: BatchHandler<Settlement, SettleResult> = {
  run: (tx, _target, settlements) => settleAll(tx, settlements),
  failItem: ({ receipt }) => ({ receipt, status: 'unknown' }),
};
/** Settlements with large entries: they need room on the disk. */
export const SETTLE_LARGE: BatchHandler<Settlement, SettleResult> = { ...SETTLE, grows: true };

function settleAll(tx: Transaction, settlements: readonly Settlement[]): SettleResult[] {
  const reader = new ReceiptReader();
  const results: SettleResult[] = [];
  let leases: ReceiptLease[] = [];
  const flushAcks = (): void => {
    if (leases.length === 0) return;
    ackRun(tx, leases, results);
    const from = results.length - leases.length;
    putDone(tx, settlements.slice(from, results.length), results.slice(from));
    leases = [];
  };
  for (const settlement of settlements) {
    const { receipt } = settlement;
    const lease = reader.read(receipt);
    const before = leases.at(-1);
    if (before !== undefined && (settlement.action !== 'ack' || !follows(lease, before))) flushAcks();
    results.push({ receipt, status: 'lease-lost' });
    if (lease === undefined) continue;
    if (settlement.action === 'ack') leases.push(lease);
    else results[results.length - 1] = settleOne(tx, settlement, lease);
  }
  flushAcks();
  return results;
}

/** Puts the entries of the settlements that are done. */
function putDone(tx: Transaction, settlements: readonly Settlement[], results: readonly SettleResult[]): void {
  const entries: KvPut[] = [];
  for (const [index, { entry }] of settlements.entries()) {
    if (entry !== undefined && results[index]?.status === 'done') entries.push(entry);
  }
  replaceEntries(tx, entries);
}

/** Whether two leases are of consecutive messages of one claim. */
function follows(lease: ReceiptLease | undefined, before: ReceiptLease): boolean {
  return lease?.seq === before.seq + 1 && lease.token === before.token && lease.queueId === before.queueId;
}

/** Acks consecutive messages, the last of `results`: two statements for any number. */
function ackRun(tx: Transaction, leases: readonly ReceiptLease[], results: SettleResult[]): void {
  const begin = results.length - leases.length;
  for (let index = 0; index < leases.length; ) {
    const lease = leases[index] as ReceiptLease;
    const held = findOwnLease(tx, lease);
    if (held === undefined) {
      index += 1;
      continue;
    }
    const { run, queue } = held;
    const count = Math.min(leases.length - index, run.last - lease.seq + 1);
    const to = lease.seq + count - 1;
    removeFromRun(tx, run, lease.seq, to);
    deleteMessages(tx, queue, lease.seq, to);
    queue.leased -= count;
    queue.totalDone += count;
    for (const end = index + count; index < end; index += 1) {
      results[begin + index] = { receipt: results[begin + index]?.receipt ?? '', status: 'done' };
    }
  }
}

function deleteMessages(tx: Transaction, queue: QueueRow, first: number, last: number): void {
  if (queue.blocked === 0) {
    tx.sql('DELETE FROM message WHERE seq BETWEEN ? AND ?').run(first, last);
    return;
  }
  const keys = tx
    .sql<[string | null]>('DELETE FROM message WHERE seq BETWEEN ? AND ? RETURNING ordering_key')
    .all(first, last);
  for (const [key] of keys) unblockNext(tx, queue, key);
}

/** The run of a lease, or undefined if the lease is lost. */
function findOwnLease(tx: Transaction, lease: ReceiptLease): { run: LeaseRun; queue: QueueRow } | undefined {
  const run = findLease(tx, lease.seq);
  if (run?.token !== lease.token || run.queueId !== lease.queueId || run.until <= tx.now) return undefined;
  const queue = tx.queueById(lease.queueId);
  if (queue?.ns !== tx.ns) return undefined;
  queue.touch(tx.now);
  return { run, queue };
}

type NonAck = Exclude<Settlement, { action: 'ack' }>;

function settleOne(tx: Transaction, settlement: NonAck, lease: ReceiptLease): SettleResult {
  const { receipt } = settlement;
  const held = findOwnLease(tx, lease);
  if (held === undefined) return { receipt, status: 'lease-lost' };
  const { run, queue } = held;
  removeFromRun(tx, run, lease.seq, lease.seq);
  if (settlement.action === 'extend') {
    const leaseLeftMs = settlement.leaseMs ?? queue.settings.leaseMs;
    extendLease(tx, queue, { ...run, first: lease.seq, last: lease.seq }, leaseLeftMs);
    return { receipt, status: 'done', leaseLeftMs };
  }
  queue.leased -= 1;
  endLease(tx, queue, lease.seq, settlement, run.consumer ?? undefined);
  return { receipt, status: 'done' };
}

/** Renews the lease of one message. Waiting receives plan for one that ends earlier than before. */
function extendLease(tx: Transaction, queue: QueueRow, run: LeaseRun, leaseMs: number): void {
  addLease(tx, { ...run, until: Math.ceil(tx.now + leaseMs) });
  if (tx.now + leaseMs < run.until) queue.isDueEarlier = true;
}

/** Ends a lease by retry, reject or release. */
function endLease(
  tx: Transaction,
  queue: QueueRow,
  seq: number,
  settlement: Exclude<NonAck, { action: 'extend' }>,
  consumer: string | undefined,
): void {
  const message = loadAttemptState(tx, seq);
  if (message === undefined) return;
  if (settlement.action === 'release') {
    requeueAfter(tx, queue, message, settlement.delayMs);
    return;
  }
  const { action: outcome, reason, entry } = settlement;
  const ended = endAttempt(tx, message, { outcome, reason, consumer });
  if (outcome === 'reject' || ended.attempts >= maxAttemptsOf(queue, ended)) {
    bury(tx, queue, seq, reason ?? (outcome === 'reject' ? 'rejected' : 'attempts used up'));
    if (entry !== undefined) replaceEntries(tx, [entry]);
    return;
  }
  requeueAfter(tx, queue, ended, settlement.delayMs);
}

/** Puts a message back: at its place, or after a delay. */
function requeueAfter(tx: Transaction, queue: QueueRow, message: AttemptState, delayMs = 0): void {
  const at = delayMs > 0 ? Math.ceil(tx.now + delayMs) : message.at;
  if (at !== message.at) tx.sql('UPDATE message SET at=? WHERE seq=?').run(at, message.seq);
  requeue(tx, queue, message, at);
}
