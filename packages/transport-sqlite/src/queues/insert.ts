/** Inserts messages into a queue: their rows, ids and states. */

import type { PreparedMessage } from '@busbar/api/driver';
import { Insertion } from '../connection/rows.ts';
import { MESSAGE_COLUMNS } from '../connection/schema.ts';
import type { Transaction } from '../connection/transaction.ts';
import { type InsertStatus, indexIds, recordIds, recordIdsUpTo } from './dedupe.ts';
import { insertIntoState, type MessagePlacement } from './message-state.ts';
import type { QueueRow } from './queue-row.ts';
import { addReady } from './ready-runs.ts';
import { crcOf, isPlain, pushMessage, toExpiry, toStored } from './stored-message.ts';

/** The columns that most messages use; their others are NULL. Such an insert takes 0.75 of the time. */
const PLAIN = new Insertion(
  'message',
  'seq, queue_id, at, attempts, priority, hops, sent_at, id, content_type, crc, body',
);
const FULL = new Insertion('message', `seq, queue_id, at, attempts, expires, ${MESSAGE_COLUMNS}`);

/** Stores sent messages in order, as far as `maxLength` and dedupe allow. Returns the status of each. */
export function insertMessages(tx: Transaction, queue: QueueRow, messages: readonly PreparedMessage[]): InsertStatus[] {
  const ids = messages.map(({ id }) => id);
  const first = takeNumbers(tx, ids.length);
  const batch = { scope: queue.id, ids, first, windowMs: queue.settings.dedupeMs };
  const room = queue.settings.maxLength - queue.length;
  const statuses = room >= ids.length ? recordIds(tx, batch) : recordIdsUpTo(tx, batch, room);
  for (let from = 0; from < messages.length; ) {
    let to = from;
    while (to < messages.length && statuses[to] === 'stored') to += 1;
    const run = from === 0 && to === messages.length ? messages : messages.slice(from, to);
    insertRun(tx, queue, run, first + from);
    from = to + 1;
  }
  return statuses;
}

/** Stores events of a binding, all of them: `maxLength` and dedupe apply to sends only. */
export function insertEvents(tx: Transaction, queue: QueueRow, events: readonly PreparedMessage[]): void {
  const first = takeNumbers(tx, events.length);
  insertRun(tx, queue, events, first);
  indexIds(tx, { scope: queue.id, ids: events.map(({ id }) => id), first });
}

/** Takes consecutive numbers for messages. Returns the first. */
function takeNumbers(tx: Transaction, count: number): number {
  const counters = tx.counters();
  counters.messageHead += count;
  return counters.messageHead - count + 1;
}

/** Inserts messages with consecutive numbers, each into its state. */
function insertRun(tx: Transaction, queue: QueueRow, run: readonly PreparedMessage[], first: number): void {
  if (run.length === 0) return;
  insertRows(tx, queue, run, first);
  queue.totalSent += run.length;
  if (run.every(isReadyAtOnce)) insertAllReady(tx, queue, run, first);
  else
    for (const [index, message] of run.entries()) insertIntoState(tx, queue, toPlacement(tx, message, first + index));
}

function insertRows(tx: Transaction, queue: QueueRow, run: readonly PreparedMessage[], first: number): void {
  const { now } = tx;
  if (run.every(isPlain)) {
    PLAIN.run(tx, run, (values, message, index) => {
      const { priority, hops, sentAt, id, contentType } = message;
      const body = toStored(message.body);
      const crc = crcOf(message, null, body);
      values.push(first + index, queue.id, now, 0, priority, hops, sentAt, id, contentType, crc, body);
    });
    return;
  }
  FULL.run(tx, run, (values, message, index) => {
    values.push(first + index, queue.id, dueAt(message, now), 0, toExpiry(now, message.ttlMs));
    pushMessage(values, message);
  });
}

function dueAt({ delayMs }: PreparedMessage, now: number): number {
  return delayMs > 0 ? Math.ceil(now + delayMs) : now;
}

/** Whether the message is ready at once. */
function isReadyAtOnce({ delayMs, orderingKey }: PreparedMessage): boolean {
  return delayMs === 0 && orderingKey === undefined;
}

function toPlacement({ now }: Transaction, message: PreparedMessage, seq: number): MessagePlacement {
  const { priority, orderingKey } = message;
  return { seq, at: dueAt(message, now), priority, orderingKey };
}

/** Consecutive messages of one priority become one run. */
function insertAllReady(tx: Transaction, queue: QueueRow, run: readonly PreparedMessage[], first: number): void {
  const at = tx.now;
  for (let from = 0; from < run.length; ) {
    const { priority } = run[from] as PreparedMessage;
    let to = from + 1;
    while (run[to]?.priority === priority) to += 1;
    addReady(tx, queue, { rank: 9 - priority, at, first: first + from, last: first + to - 1 });
    from = to;
  }
}
