/** Leases the first ready messages of a queue to a consumer. */

import { randomByte } from '@busbar/api/driver';
import { BusbarError, type Delivery, quote } from '@busbar/api/transport';
import { isBatchFull, readBatch } from '../connection/rows.ts';
import { MESSAGE_COLUMNS } from '../connection/schema.ts';
import type { Transaction } from '../connection/transaction.ts';
import { promoteDue } from '../maintenance/promoter.ts';
import { rescueExpiredLeases } from '../maintenance/rescuer.ts';
import { backfillStep } from '../topics/backfill.ts';
import { bury, expire } from './attempts.ts';
import { addLease } from './lease-runs.ts';
import { removeFromState } from './message-state.ts';
import type { QueueRow } from './queue-row.ts';
import { removeFront } from './ready-runs.ts';
import { receiptPrefix } from './receipt.ts';
import { readMessage } from './stored-message.ts';

/** rank, at, first and last of its run; then seq, at, attempts, expires and the message columns. */
type ReadyMessage = readonly [number, number, number, number, number, number, number, number | null, ...unknown[]];

const MESSAGE_FROM = 8;
const PRIORITY = MESSAGE_FROM + 6;
const MAX_ATTEMPTS = MESSAGE_FROM + 16;
const SEQ = 4;
const SELECT_FIRST = `SELECT ready.rank, ready.at, ready.seq, ready.last, message.seq, message.at, attempts, expires, ${MESSAGE_COLUMNS}
  FROM ready CROSS JOIN message ON message.seq BETWEEN ready.seq AND ready.last WHERE ready.queue_id=?
  ORDER BY ready.rank, ready.at, ready.seq LIMIT ?`;
/** Bounds the search when all messages in front have ended. */
const MAX_ROUNDS = 20;

/** Leases up to `max` messages to `consumer`, in delivery order. */
export function leaseMessages(tx: Transaction, queue: QueueRow, max: number, consumer: string | undefined): Delivery[] {
  makeDueReady(tx, queue);
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const rows = readBatch(tx.sql<ReadyMessage>(SELECT_FIRST), [queue.id, max]);
    if (rows.length !== Math.min(max, queue.ready) && !isBatchFull(rows)) throw damaged(queue);
    if (rows.length === 0) return [];
    if (removeEnded(tx, queue, rows) === 0) return leaseRows(tx, queue, rows, consumer);
  }
  return [];
}

/** Makes everything ready that is due by now. */
function makeDueReady(tx: Transaction, queue: QueueRow): void {
  if (queue.backfills > 0) backfillStep(tx, queue);
  if (queue.delayed > 0) promoteDue(tx, queue);
  if (queue.leased > 0) rescueExpiredLeases(tx);
}

/** Removes messages that have expired or used up their attempts. Returns their number. */
function removeEnded(tx: Transaction, queue: QueueRow, rows: readonly ReadyMessage[]): number {
  let removed = 0;
  for (const row of rows) {
    const [rank, runAt, , , seq, at, attempts, expires] = row;
    const priority = row[PRIORITY] as number;
    if (rank !== 9 - priority || runAt !== at) throw damaged(queue);
    const maxAttempts = (row[MAX_ATTEMPTS] as number | null) ?? queue.settings.maxAttempts;
    const isExpired = expires !== null && expires <= tx.now;
    if (!isExpired && attempts < maxAttempts) continue;
    removeFromState(tx, queue, { seq, at, priority });
    if (isExpired) expire(tx, queue, seq);
    else bury(tx, queue, seq, 'attempts used up');
    removed += 1;
  }
  return removed;
}

function leaseRows(
  tx: Transaction,
  queue: QueueRow,
  rows: readonly ReadyMessage[],
  consumer: string | undefined,
): Delivery[] {
  const { now } = tx;
  const token = newToken();
  const prefix = receiptPrefix(queue.id, token);
  const deliveries = rows.map((row) => toDelivery(row, queue, prefix, now));
  const until = Math.ceil(now + queue.settings.leaseMs);
  let first = rows[0]?.[SEQ] ?? 0;
  for (const [index, row] of rows.entries()) {
    const next = rows[index + 1];
    const seq = row[SEQ];
    if (next?.[SEQ] !== seq + 1) {
      addLease(tx, { first, last: seq, queueId: queue.id, until, token, consumer: consumer ?? null });
      first = next?.[SEQ] ?? 0;
    }
    const [rank, at, runFirst, runLast] = row;
    if (next?.[0] !== rank) removeFront(tx, queue, { rank, at, first: runFirst, last: runLast }, seq);
  }
  queue.ready -= rows.length;
  queue.leased += rows.length;
  queue.touch(now);
  tx.rowCount += rows.length;
  return deliveries;
}

/** 48 random bits: another claim cannot have the same. */
function newToken(): number {
  let token = 0;
  for (let byte = 0; byte < 6; byte += 1) token = token * 256 + randomByte();
  return token;
}

function toDelivery(row: ReadyMessage, queue: QueueRow, prefix: string, now: number): Delivery {
  const [, , , , seq, , attempts, expires] = row;
  return {
    ...readMessage(row, MESSAGE_FROM),
    queue: queue.name,
    receipt: prefix + seq.toString(36),
    attempt: attempts + 1,
    leaseLeftMs: queue.settings.leaseMs,
    ttlLeftMs: expires === null ? undefined : expires - now,
  };
}

/** The counters of the queue do not match its rows. An error is better than skipped messages. */
function damaged(queue: QueueRow): BusbarError {
  return new BusbarError('INTERNAL', `queue ${quote(queue.name)} is damaged: its counters do not match its messages`, {
    hint: 'Check the disk. Stop every process that uses the store, keep a copy, and try `sqlite3 copy.db .recover`.',
  });
}
