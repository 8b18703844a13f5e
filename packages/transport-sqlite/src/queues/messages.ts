/** The messages of a queue: coming in, changing place, leaving. Where one stands is a row of one of four tables. */

import type { PreparedMessage } from '@busbar/api/driver';
import { CONTENT } from '../connection/schema.ts';
import type { Transaction } from '../connection/transaction.ts';
import { type InsertStatus, note, remember, rememberSome } from './dedupe.ts';
import type { QueueRow } from './queue-row.ts';
import { addReady, type ReadyPlace, removeReady } from './ready-runs.ts';
import { crcOf, isPlain, pushContent, toStored } from './stored-message.ts';

export interface InsertOptions {
  /** Events are no sends: neither `maxLength` nor what dedupe remembers refuses them. */
  readonly areEvents: boolean;
}

/** Rows of one statement: 16 take 0.75 of the time of single ones; more gain nothing. */
const CHUNK = 16;
/** Columns of most messages; the others are NULL in them. Without those an insert takes 0.75 of the time. */
const PLAIN = insertion('seq, queue_id, at, attempts, priority, hops, sent_at, id, content_type, crc, body');
const FULL = insertion(`seq, queue_id, at, attempts, expires, ${CONTENT}`);

/** Stores messages in a queue, in order. Says of each what became of it. */
export function insertJobs(
  transaction: Transaction,
  queue: QueueRow,
  messages: readonly PreparedMessage[],
  options: InsertOptions,
): InsertStatus[] {
  const counter = transaction.counter();
  const first = counter.jobHead + 1;
  counter.jobHead += messages.length;
  const statuses = noteIds(transaction, queue, messages, first, options);
  for (let from = 0; from < messages.length; ) {
    let to = from;
    while (to < messages.length && statuses[to] === 'stored') to += 1;
    const run = from === 0 && to === messages.length ? messages : messages.slice(from, to);
    insertRun(transaction, queue, run, first + from);
    from = to + 1;
  }
  return statuses;
}

interface Insertion {
  readonly one: string;
  readonly many: string;
  readonly columns: number;
}

function insertion(list: string): Insertion {
  const columns = list.split(',').length;
  const row = `(${Array(columns).fill('?').join(',')})`;
  const insert = `INSERT INTO job (${list}) VALUES `;
  return { one: insert + row, many: insert + Array(CHUNK).fill(row).join(','), columns };
}

function noteIds(
  transaction: Transaction,
  queue: QueueRow,
  messages: readonly PreparedMessage[],
  first: number,
  options: InsertOptions,
): InsertStatus[] {
  const ids = messages.map(({ id }) => id);
  const incoming = { scope: queue.id, ids, first, windowMs: queue.settings.dedupeMs };
  if (options.areEvents) {
    note(transaction, incoming);
    return ids.map(() => 'stored');
  }
  const room = queue.settings.maxLength - queue.length;
  return room >= ids.length ? remember(transaction, incoming) : rememberSome(transaction, incoming, room);
}

/** Writes messages with numbers that follow each other, and gives each its place. */
function insertRun(transaction: Transaction, queue: QueueRow, run: readonly PreparedMessage[], first: number): void {
  if (run.length === 0) return;
  write(transaction, queue, run, first);
  queue.sent += run.length;
  if (run.every(isPlaced)) placeAll(transaction, queue, run, first);
  else
    for (const [index, message] of run.entries())
      place(transaction, queue, toPlacing(transaction, message, first + index));
}

function write(transaction: Transaction, queue: QueueRow, run: readonly PreparedMessage[], first: number): void {
  const { store, now } = transaction;
  const kind = run.every(isPlain) ? PLAIN : FULL;
  for (let from = 0; from < run.length; ) {
    const count = run.length - from >= CHUNK ? CHUNK : 1;
    const parameters: unknown[] = [];
    for (let index = from; index < from + count; index += 1) {
      const message = run[index] as PreparedMessage;
      if (kind === PLAIN) pushPlain(parameters, message, first + index, queue.id, now);
      else pushFull(parameters, message, first + index, queue.id, now);
    }
    store.sql(count === 1 ? kind.one : kind.many).run(parameters);
    from += count;
  }
}

function pushPlain(parameters: unknown[], message: PreparedMessage, seq: number, queueId: number, now: number): void {
  const { priority, hops, sentAt, id, contentType } = message;
  const body = toStored(message.body);
  parameters.push(seq, queueId, now, 0, priority, hops, sentAt, id, contentType, crcOf(message, null, body), body);
}

function pushFull(parameters: unknown[], message: PreparedMessage, seq: number, queueId: number, now: number): void {
  const expires = message.ttlMs === undefined ? null : Math.ceil(now + message.ttlMs);
  parameters.push(seq, queueId, dueAt(message, now), 0, expires);
  pushContent(parameters, message);
}

function dueAt({ delayMs }: PreparedMessage, now: number): number {
  return delayMs > 0 ? Math.ceil(now + delayMs) : now;
}

/** Whether it is ready as it comes. */
function isPlaced({ delayMs, orderingKey }: PreparedMessage): boolean {
  return delayMs === 0 && orderingKey === undefined;
}

function toPlacing({ now }: Transaction, message: PreparedMessage, seq: number): Placing {
  const { priority, orderingKey } = message;
  return { seq, at: dueAt(message, now), priority, orderingKey };
}

/** Messages of one priority stand together. */
function placeAll(transaction: Transaction, queue: QueueRow, run: readonly PreparedMessage[], first: number): void {
  const at = transaction.now;
  for (let from = 0; from < run.length; ) {
    const { priority } = run[from] as PreparedMessage;
    let to = from + 1;
    while (run[to]?.priority === priority) to += 1;
    addReady(transaction, queue, { rank: 9 - priority, at, first: first + from, last: first + to - 1 });
    from = to;
  }
}

/** What decides where a message stands. */
export interface Placing {
  readonly seq: number;
  readonly at: number;
  readonly priority: number;
  readonly orderingKey: string | undefined;
}

/** Gives a message its place: behind those of its ordering key, else among the delayed or the ready. */
export function place(transaction: Transaction, queue: QueueRow, message: Placing): void {
  const { store } = transaction;
  queue.isChanged = true;
  if (message.orderingKey !== undefined && hasEarlier(transaction, queue, message.orderingKey, message.seq)) {
    store.sql('INSERT INTO blocked VALUES (?,?)').run(queue.id, message.seq);
    queue.blocked += 1;
  } else if (message.at > transaction.now) {
    delay(transaction, queue, message.seq, message.at);
  } else {
    const { seq, at, priority } = message;
    addReady(transaction, queue, { rank: 9 - priority, at, first: seq, last: seq });
  }
}

function delay(transaction: Transaction, queue: QueueRow, seq: number, due: number): void {
  const { store } = transaction;
  const earliest = store.value('SELECT due FROM delayed WHERE queue_id=? ORDER BY due LIMIT 1', queue.id);
  if (earliest === undefined || due < (earliest as number)) queue.hasEarlierDue = true;
  store.sql('INSERT INTO delayed VALUES (?,?,?)').run(queue.id, due, seq);
  queue.delayed += 1;
}

function hasEarlier(transaction: Transaction, queue: QueueRow, key: string, seq: number): boolean {
  return (
    transaction.store.sql('SELECT 1 FROM job WHERE queue_id=? AND ordering_key=? AND seq<?').get(queue.id, key, seq) !==
    undefined
  );
}

/** A message of this key has left the queue: the next one of the key takes its place, if any waits for it. */
export function unblock(transaction: Transaction, queue: QueueRow, key: string | null): void {
  if (key === null || queue.blocked === 0) return;
  const { store } = transaction;
  const next = store
    .sql<[number, number, number]>(
      'SELECT seq, at, priority FROM job WHERE queue_id=? AND ordering_key=? ORDER BY seq LIMIT 1',
    )
    .get(queue.id, key);
  if (next === undefined) return;
  const [seq, at, priority] = next;
  if (store.sql('DELETE FROM blocked WHERE queue_id=? AND seq=?').run(queue.id, seq).changes === 0) return;
  queue.blocked -= 1;
  place(transaction, queue, { seq, at, priority, orderingKey: undefined });
}

/** Takes a message that is not leased from where it stands. False when it is not there (any more). */
export function displace(transaction: Transaction, queue: QueueRow, message: ReadyPlace): boolean {
  if (removeReady(transaction, queue, message)) return true;
  const { store } = transaction;
  const { seq, at } = message;
  queue.isChanged = true;
  if (store.sql('DELETE FROM delayed WHERE queue_id=? AND due=? AND seq=?').run(queue.id, at, seq).changes > 0) {
    queue.delayed -= 1;
    return true;
  }
  if (store.sql('DELETE FROM blocked WHERE queue_id=? AND seq=?').run(queue.id, seq).changes === 0) return false;
  queue.blocked -= 1;
  return true;
}

/** Deletes a message that has been displaced or unleased, and lets the next of its ordering key pass. */
export function removeJob(transaction: Transaction, queue: QueueRow, seq: number): void {
  const row = transaction.store.sql<[string | null]>('DELETE FROM job WHERE seq=? RETURNING ordering_key').get(seq);
  unblock(transaction, queue, row?.[0] ?? null);
}
