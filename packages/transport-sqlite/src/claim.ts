/** Claiming: leases the first messages of a queue to a consumer. */

import { randomInt } from 'node:crypto';
import type { Delivery } from '@busbar/api/transport';
import { bury, expire } from './attempts.ts';
import { promoteDue } from './due.ts';
import { copyHistory } from './history.ts';
import { displace } from './jobs.ts';
import { requeueExpired } from './leases.ts';
import { readContent } from './message-row.ts';
import type { QueueRow } from './queue-row.ts';
import { toReceipt } from './receipt.ts';
import { CONTENT } from './schema.ts';
import type { Transaction } from './transaction.ts';

/** seq, at, attempts, expires, then the content. */
type Claimed = readonly [number, number, number, number | null, ...unknown[]];

const CONTENT_FROM = 4;
const PRIORITY = CONTENT_FROM + 6;
const MAX_ATTEMPTS = CONTENT_FROM + 16;
const SELECT_FIRST = `SELECT job.seq, job.at, attempts, expires, ${CONTENT}
  FROM ready JOIN job ON job.seq = ready.seq WHERE ready.queue_id=?
  ORDER BY ready.rank, ready.at, ready.seq LIMIT ?`;
/** What is claimed is always a front part of the ready ones of a priority: two statements move it, however long it is. */
const FRONT = 'FROM ready WHERE queue_id=? AND rank=? AND (at, seq) <= (?, ?)';
const LEASE_FRONT = `INSERT INTO leased (seq, queue_id, until, token, consumer) SELECT seq, queue_id, ?, ?, ? ${FRONT}`;
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
  for (let round = 0; round < MAX_ROUNDS && queue.ready > 0; round += 1) {
    const rows = transaction.store.sql<Claimed>(SELECT_FIRST).all(queue.id, max);
    if (rows.length === 0) return [];
    if (dropOver(transaction, queue, rows) > 0) continue;
    return lease(transaction, queue, rows, consumer);
  }
  return [];
}

/** Brings up to date what decides what is ready. */
export function prepare(transaction: Transaction, queue: QueueRow): void {
  copyHistory(transaction, queue);
  if (queue.delayed > 0) promoteDue(transaction, queue);
  if (queue.leased > 0) requeueExpired(transaction);
}

/** Drops those that have expired or used up their attempts. How many these were. */
function dropOver(transaction: Transaction, queue: QueueRow, rows: readonly Claimed[]): number {
  let dropped = 0;
  for (const row of rows) {
    const [seq, at, attempts, expires] = row;
    const maxAttempts = row[MAX_ATTEMPTS] as number | null;
    const isExpired = expires !== null && expires <= transaction.now;
    if (!isExpired && attempts < (maxAttempts ?? queue.settings.maxAttempts)) continue;
    displace(transaction, queue, { seq, at, priority: row[PRIORITY] as number });
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
  const { store, now } = transaction;
  const token = randomInt(2 ** 48 - 1);
  const until = Math.ceil(now + queue.settings.leaseMs);
  for (const [index, row] of rows.entries()) {
    const priority = row[PRIORITY] as number;
    if (rows[index + 1]?.[PRIORITY] === priority) continue;
    const front = [queue.id, 9 - priority, row[1], row[0]];
    store.sql(LEASE_FRONT).run(until, token, consumer, ...front);
    store.sql(`DELETE ${FRONT}`).run(...front);
  }
  queue.ready -= rows.length;
  queue.leased += rows.length;
  queue.use(now);
  transaction.work += rows.length;
  return rows.map((row) => toDelivery(row, queue, token, now));
}

function toDelivery(row: Claimed, queue: QueueRow, token: number, now: number): Delivery {
  const [seq, , attempts, expires] = row;
  return {
    ...readContent(row, CONTENT_FROM),
    queue: queue.name,
    receipt: toReceipt(queue.id, seq, token),
    attempt: attempts + 1,
    leaseLeftMs: queue.settings.leaseMs,
    ttlLeftMs: expires === null ? undefined : expires - now,
  };
}
