/** Backfills a new binding: copies its past events into the queue in bounded steps, by claims and by the scheduler. */

import type { PreparedMessage } from '@busbar/api/driver';
import { matchTopic } from '@busbar/api/transport';
import { isBatchFull, readBatch } from '../connection/rows.ts';
import { CLOSED_QUEUES, messageColumnsOf } from '../connection/schema.ts';
import type { Transaction } from '../connection/transaction.ts';
import { insertEvents } from '../queues/insert.ts';
import type { QueueRow } from '../queues/queue-row.ts';
import { readPreparedMessage } from '../queues/stored-message.ts';

/** Events of one step. */
const STEP = 200;

/** An event as published. Its delay and its time to live count from then. */
interface PastEvent {
  readonly event: PreparedMessage;
  readonly delayLeftMs: number;
  readonly ttlLeftMs: number | undefined;
}

/** id, pattern, since, backfill_next, backfill_last. */
type PendingBackfill = readonly [number, string, number, number, number];
const SELECT_PENDING =
  'SELECT id, pattern, since, backfill_next, backfill_last FROM binding WHERE queue_id=? AND backfill_next IS NOT NULL';

/** Copies a step into a queue. Returns true when there is more. */
export function backfillStep(tx: Transaction, queue: QueueRow): boolean {
  const binding = tx.sql<PendingBackfill>(`${SELECT_PENDING} ORDER BY id LIMIT 1`).get(queue.id);
  if (binding === undefined) return false;
  const { events, next } = readStep(tx, queue, binding);
  if (events.length > 0) {
    insertEvents(tx, queue, events.map(toMessage));
    queue.isChanged = true;
    tx.rowCount += events.length;
  }
  tx.sql('UPDATE binding SET backfill_next=? WHERE id=?').run(next, binding[0]);
  if (next === null) finishBackfill(queue);
  return queue.backfills > 0;
}

/**
 * Leaves new events to an unfinished backfill, so that they come behind the history. Returns false if none adds them. Copies
 * more than it leaves, so that publishers cannot outrun the backfill.
 */
export function leaveToBackfill(tx: Transaction, queue: QueueRow, topic: string, events: readonly number[]): boolean {
  if (queue.backfills === 0) return false;
  const bindings = tx
    .sql<[number, string, number | null]>('SELECT id, pattern, backfill_next FROM binding WHERE queue_id=? ORDER BY id')
    .all(queue.id);
  const [id, , next] = bindings.find(([, pattern]) => matchTopic(pattern, topic)) ?? [];
  if (id === undefined || next === undefined || next === null) return false;
  tx.sql('UPDATE binding SET backfill_last=? WHERE id=?').run(events.at(-1), id);
  for (let copied = 0; copied <= events.length && queue.backfills > 0; copied += STEP) backfillStep(tx, queue);
  return true;
}

/** Completes the backfill of a binding that is about to be removed. */
export function completeBackfill(tx: Transaction, queue: QueueRow, pattern: string): void {
  const isPending = (): boolean =>
    tx.exists('SELECT 1 FROM binding WHERE queue_id=? AND pattern=? AND backfill_next IS NOT NULL', queue.id, pattern);
  while (isPending()) backfillStep(tx, queue);
}

/** What the unfinished backfills of a queue have still to copy, step by step. Reads only. */
export function* pendingEvents(tx: Transaction, queue: QueueRow): Iterable<PastEvent[]> {
  const bindings = tx.sql<PendingBackfill>(`${SELECT_PENDING} ORDER BY id`).all(queue.id);
  for (const [id, pattern, since, first, last] of bindings) {
    for (let from: number | null = first; from !== null; ) {
      const { events, next } = readStep(tx, queue, [id, pattern, since, from, last]);
      yield events;
      from = next;
    }
  }
}

/** The events of one step of a backfill, and the first event of the next; null after the last step. */
function readStep(
  tx: Transaction,
  queue: QueueRow,
  binding: PendingBackfill,
): { events: PastEvent[]; next: number | null } {
  const [id, , , from, last] = binding;
  const events = readBatch(
    tx.sql<[number, string, ...unknown[]]>(
      `SELECT event.seq, topic.name, event.at, ${messageColumnsOf('event')}
       FROM event JOIN topic ON topic.id = topic_id AND topic.ns = ? WHERE event.seq BETWEEN ? AND ? ORDER BY event.seq LIMIT ${STEP}`,
    ),
    [queue.ns, from, last],
  );
  const earlier = findEarlierBindings(tx, queue, id);
  const matching = events.filter(([seq, topic]) => belongs(topic, seq, binding, earlier));
  const copiedTo = events.length < STEP && !isBatchFull(events) ? last : (events.at(-1)?.[0] ?? last);
  const alive = matching
    .map((row) => toPastEvent(row, tx.wallTime))
    .filter(({ ttlLeftMs }) => ttlLeftMs === undefined || ttlLeftMs > 0);
  return { events: alive, next: copiedTo >= last ? null : copiedTo + 1 };
}

/** Copies a step into any queue that needs it. Returns false if none does. */
export function backfillAny(tx: Transaction): boolean {
  const id = tx.value(`SELECT id FROM queue WHERE backfills > 0 AND id NOT IN (${CLOSED_QUEUES}) LIMIT 1`) as
    | number
    | undefined;
  const queue = id === undefined ? undefined : tx.queueById(id);
  if (queue === undefined) return false;
  backfillStep(tx, queue);
  return true;
}

/** The backfill of one binding of the queue is complete. */
function finishBackfill(queue: QueueRow): void {
  queue.backfills -= 1;
  queue.isChanged = true;
}

/** pattern and since of the earlier bindings of a queue. */
function findEarlierBindings(tx: Transaction, queue: QueueRow, id: number): [string, number][] {
  return tx.sql<[string, number]>('SELECT pattern, since FROM binding WHERE queue_id=? AND id<?').all(queue.id, id);
}

/** An event enters a queue once: events of an earlier binding are skipped. */
function belongs(topic: string, seq: number, binding: PendingBackfill, earlier: readonly [string, number][]): boolean {
  if (!matchTopic(binding[1], topic)) return false;
  return !earlier.some(([pattern, since]) => seq > since && matchTopic(pattern, topic));
}

function toPastEvent(row: readonly unknown[], wallTime: number): PastEvent {
  const event = readPreparedMessage(row, 3);
  const ageMs = Math.max(0, wallTime - (row[2] as number));
  return {
    event,
    delayLeftMs: Math.max(0, event.delayMs - ageMs),
    ttlLeftMs: event.ttlMs === undefined ? undefined : event.ttlMs - ageMs,
  };
}

function toMessage({ event, delayLeftMs, ttlLeftMs }: PastEvent): PreparedMessage {
  return { ...event, delayMs: delayLeftMs, ttlMs: ttlLeftMs };
}
