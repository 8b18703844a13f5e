/** Claiming: leases the first messages of a queue to a consumer. */

import { randomInt } from 'node:crypto';
import { BusbarError, type Delivery, quote } from '@busbar/api/transport';
import { isFull, readBatch } from '../connection/row-batch.ts';
import { CONTENT } from '../connection/schema.ts';
import type { Transaction } from '../connection/transaction.ts';
import { promoteDue } from '../maintenance/promote-delayed.ts';
import { requeueExpired } from '../maintenance/rescuer.ts';
import { copyHistory } from '../topics/backfill.ts';
import { bury, expire } from './attempts.ts';
import { addLease } from './lease-runs.ts';
import { displace } from './messages.ts';
import type { QueueRow } from './queue-row.ts';
import { takeFront } from './ready-runs.ts';
import { receiptFront } from './receipt.ts';
import { readContent } from './stored-message.ts';

/** Of its run: rank, at, first, last. Then seq, at, attempts, expires, and the content. */
type Claimed = readonly [number, number, number, number, number, number, number, number | null, ...unknown[]];

const CONTENT_FROM = 8;
const PRIORITY = CONTENT_FROM + 6;
const MAX_ATTEMPTS = CONTENT_FROM + 16;
const SEQ = 4;
const SELECT_FIRST = `SELECT ready.rank, ready.at, ready.seq, ready.last, job.seq, job.at, attempts, expires, ${CONTENT}
  FROM ready CROSS JOIN job ON job.seq BETWEEN ready.seq AND ready.last WHERE ready.queue_id=?
  ORDER BY ready.rank, ready.at, ready.seq LIMIT ?`;
/** Bounds the search when everything in front is over already. */
const MAX_ROUNDS = 20;

/** Leases up to `max` messages to `consumer`, in delivery order. */
export function claim(
  transaction: Transaction,
  queue: QueueRow,
  max: number,
  consumer: string | undefined,
): Delivery[] {
  prepare(transaction, queue);
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const rows = readBatch(transaction.store.sql<Claimed>(SELECT_FIRST), [queue.id, max]);
    if (rows.length !== Math.min(max, queue.ready) && !isFull(rows)) throw damaged(queue);
    if (rows.length === 0) return [];
    if (dropOver(transaction, queue, rows) === 0) return lease(transaction, queue, rows, consumer);
  }
  return [];
}

/** Brings up to date what decides what is ready. */
function prepare(transaction: Transaction, queue: QueueRow): void {
  if (queue.copying > 0) copyHistory(transaction, queue);
  if (queue.delayed > 0) promoteDue(transaction, queue);
  if (queue.leased > 0) requeueExpired(transaction);
}

/** Drops those that have expired or used up their attempts. How many these were. */
function dropOver(transaction: Transaction, queue: QueueRow, rows: readonly Claimed[]): number {
  let dropped = 0;
  for (const row of rows) {
    const [rank, runAt, , , seq, at, attempts, expires] = row;
    const priority = row[PRIORITY] as number;
    if (rank !== 9 - priority || runAt !== at) throw damaged(queue);
    const maxAttempts = (row[MAX_ATTEMPTS] as number | null) ?? queue.settings.maxAttempts;
    const isExpired = expires !== null && expires <= transaction.now;
    if (!isExpired && attempts < maxAttempts) continue;
    displace(transaction, queue, { seq, at, priority });
    if (isExpired) expire(transaction, queue, seq);
    else bury(transaction, queue, seq, 'attempts used up');
    dropped += 1;
  }
  return dropped;
}

function lease(
  transaction: Transaction,
  queue: QueueRow,
  rows: readonly Claimed[],
  consumer: string | undefined,
): Delivery[] {
  const { now } = transaction;
  const token = randomInt(2 ** 48 - 1);
  const front = receiptFront(queue.id, token);
  const deliveries = rows.map((row) => toDelivery(row, queue, front, now));
  const until = Math.ceil(now + queue.settings.leaseMs);
  let first = rows[0]?.[SEQ] ?? 0;
  for (const [index, row] of rows.entries()) {
    const next = rows[index + 1];
    const seq = row[SEQ];
    if (next?.[SEQ] !== seq + 1) {
      addLease(transaction, { first, last: seq, queueId: queue.id, until, token, consumer: consumer ?? null });
      first = next?.[SEQ] ?? 0;
    }
    const [rank, at, runFirst, runLast] = row;
    if (next?.[0] !== rank) takeFront(transaction, queue, { rank, at, first: runFirst, last: runLast }, seq);
  }
  queue.ready -= rows.length;
  queue.leased += rows.length;
  queue.use(now);
  transaction.work += rows.length;
  return deliveries;
}

function toDelivery(row: Claimed, queue: QueueRow, front: string, now: number): Delivery {
  const [, , , , seq, , attempts, expires] = row;
  return {
    ...readContent(row, CONTENT_FROM),
    queue: queue.name,
    receipt: front + seq.toString(36),
    attempt: attempts + 1,
    leaseLeftMs: queue.settings.leaseMs,
    ttlLeftMs: expires === null ? undefined : expires - now,
  };
}

/** What the queue says it holds is not what is there: better to say so than to pass messages over. */
function damaged(queue: QueueRow): BusbarError {
  return new BusbarError('INTERNAL', `queue ${quote(queue.name)} is damaged: its messages do not add up`, {
    hint: 'Look at the disk. Stop every process that uses the store, keep a copy, and try `sqlite3 copy.db .recover`.',
  });
}
