/** The messages of a queue: coming in, changing place, leaving. Where one stands is a row of one of four tables. */

import type { StampedMessage } from '@busbar/api/transport';
import { CONTENT_COLUMNS, pushContent } from './message-row.ts';
import type { QueueRow } from './queue-row.ts';
import { CONTENT } from './schema.ts';
import type { Transaction } from './transaction.ts';

/** What became of a message that came in. */
export type InsertStatus = 'stored' | 'duplicate' | 'failed';

export interface InsertOptions {
  /** Events are no sends: neither `maxLength` nor what dedupe remembers refuses them. */
  readonly areEvents: boolean;
}

/** Rows of one statement: 16 take 0.8 of the time of single ones; more gain nothing. */
const CHUNK = 16;
const JOB_COLUMNS = 5 + CONTENT_COLUMNS;
const INSERT_JOB = `INSERT INTO job (seq, queue_id, at, attempts, expires, ${CONTENT}) VALUES `;
const JOB_ROW = `(${Array(JOB_COLUMNS).fill('?').join(',')})`;
const INSERT_JOBS = INSERT_JOB + Array(CHUNK).fill(JOB_ROW).join(',');
const INSERT_ONE_JOB = INSERT_JOB + JOB_ROW;
const INSERT_ID = 'INSERT INTO dedupe (scope, id, until, seq, sweep_at) VALUES ';
const UNLESS_KNOWN =
  ' ON CONFLICT (scope, id) DO UPDATE SET until=excluded.until, seq=excluded.seq, sweep_at=excluded.sweep_at WHERE until <= ?';
const INSERT_IDS = INSERT_ID + Array(CHUNK).fill('(?,?,?,?,?)').join(',') + UNLESS_KNOWN;
const INSERT_ONE_ID = `${INSERT_ID}(?,?,?,?,?)${UNLESS_KNOWN}`;

/** Stores messages in a queue, in order. Says of each what became of it. */
export function insertJobs(
  transaction: Transaction,
  queue: QueueRow,
  messages: readonly StampedMessage[],
  options: InsertOptions,
): InsertStatus[] {
  const counter = transaction.counter();
  const first = counter.jobHead + 1;
  counter.jobHead += messages.length;
  const statuses = options.areEvents
    ? noteEvents(transaction, queue, messages, first)
    : remember(transaction, queue, messages, first);
  const isWhole = !statuses.some((status) => status !== 'stored');
  store(transaction, queue, messages, isWhole ? undefined : statuses, first);
  return statuses;
}

function remember(
  transaction: Transaction,
  queue: QueueRow,
  messages: readonly StampedMessage[],
  first: number,
): InsertStatus[] {
  const room = queue.settings.maxLength - queue.length;
  if (room >= messages.length) return rememberAll(transaction, queue, messages, first);
  return rememberSome(transaction, queue, messages, first, room);
}

/** Notes where events are found by their ids, without a dedupe window. */
function noteEvents(
  transaction: Transaction,
  queue: QueueRow,
  messages: readonly StampedMessage[],
  first: number,
): InsertStatus[] {
  for (const [row, { id }] of messages.entries()) noteId(transaction, queue, id, first + row);
  return new Array<InsertStatus>(messages.length).fill('stored');
}

/** Notes where a message is found by its id that came in other than by a send. */
export function noteId(transaction: Transaction, queue: QueueRow, id: string, seq: number): void {
  transaction.store
    .sql(
      'INSERT INTO dedupe (scope, id, until, seq, sweep_at) VALUES (?,?,0,?,?) ON CONFLICT (scope, id) DO UPDATE SET seq=excluded.seq',
    )
    .run(queue.id, id, seq, Math.ceil(transaction.now + queue.settings.dedupeMs));
}

/** Notes the ids of all messages; those known already are duplicates. */
function rememberAll(
  transaction: Transaction,
  queue: QueueRow,
  messages: readonly StampedMessage[],
  first: number,
): InsertStatus[] {
  const { store, now } = transaction;
  const until = Math.ceil(now + queue.settings.dedupeMs);
  let changes = 0;
  let index = 0;
  while (index < messages.length) {
    const count = messages.length - index >= CHUNK ? CHUNK : 1;
    const parameters: unknown[] = [];
    for (let row = index; row < index + count; row += 1) {
      parameters.push(queue.id, messages[row]?.id, until, first + row, until);
    }
    parameters.push(now);
    changes += store.sql(count === 1 ? INSERT_ONE_ID : INSERT_IDS).run(parameters).changes;
    index += count;
  }
  const statuses = new Array<InsertStatus>(messages.length).fill('stored');
  if (changes === messages.length) return statuses;
  for (const [row, { id }] of messages.entries()) {
    if (knownSeq(transaction, queue.id, id) !== first + row) statuses[row] = 'duplicate';
  }
  return statuses;
}

/** The same where not all have room: what does not fit is not noted, so that it can be sent again. */
function rememberSome(
  transaction: Transaction,
  queue: QueueRow,
  messages: readonly StampedMessage[],
  first: number,
  room: number,
): InsertStatus[] {
  const { store, now } = transaction;
  const until = Math.ceil(now + queue.settings.dedupeMs);
  const isKnown = store.sql('SELECT 1 FROM dedupe WHERE scope=? AND id=? AND until > ?');
  let left = room;
  return messages.map(({ id }, row) => {
    if (isKnown.get(queue.id, id, now) !== undefined) return 'duplicate';
    if (left <= 0) return 'failed';
    left -= 1;
    store.sql(INSERT_ONE_ID).run(queue.id, id, until, first + row, until, now);
    return 'stored';
  });
}

/** The number under which a scope knows an id, within the dedupe window or while the message is there. */
export function knownSeq(transaction: Transaction, scope: number, id: string): number | undefined {
  return transaction.store.value('SELECT seq FROM dedupe WHERE scope=? AND id=?', scope, id) as number | undefined;
}

/** Writes the messages and gives each its place. */
function store(
  transaction: Transaction,
  queue: QueueRow,
  messages: readonly StampedMessage[],
  statuses: readonly InsertStatus[] | undefined,
  first: number,
): void {
  const { now } = transaction;
  let parameters: unknown[] = [];
  let isPlain = true;
  let count = 0;
  for (let row = 0; row < messages.length; row += 1) {
    const message = messages[row];
    if (message === undefined || (statuses !== undefined && statuses[row] !== 'stored')) continue;
    if (message.delayMs > 0 || message.orderingKey !== undefined) isPlain = false;
    const at = message.delayMs > 0 ? Math.ceil(now + message.delayMs) : now;
    const expires = message.ttlMs === undefined ? null : Math.ceil(now + message.ttlMs);
    parameters.push(first + row, queue.id, at, 0, expires);
    pushContent(parameters, message);
    count += 1;
    if (parameters.length < CHUNK * JOB_COLUMNS) continue;
    transaction.store.sql(INSERT_JOBS).run(parameters);
    parameters = [];
  }
  insertRest(transaction, parameters);
  queue.sent += count;
  if (isPlain) placeAll(transaction, queue, first, first + messages.length - 1, count);
  else placeEach(transaction, queue, messages, statuses, first);
}

function insertRest(transaction: Transaction, parameters: unknown[]): void {
  const insert = transaction.store.sql(INSERT_ONE_JOB);
  for (let from = 0; from < parameters.length; from += JOB_COLUMNS) {
    insert.run(parameters.slice(from, from + JOB_COLUMNS));
  }
}

function placeAll(transaction: Transaction, queue: QueueRow, first: number, last: number, count: number): void {
  transaction.store
    .sql('INSERT INTO ready SELECT queue_id, 9 - priority, at, seq FROM job WHERE seq BETWEEN ? AND ?')
    .run(first, last);
  queue.ready += count;
  queue.isChanged = true;
}

function placeEach(
  transaction: Transaction,
  queue: QueueRow,
  messages: readonly StampedMessage[],
  statuses: readonly InsertStatus[] | undefined,
  first: number,
): void {
  for (const [row, { delayMs, priority, orderingKey }] of messages.entries()) {
    if (statuses !== undefined && statuses[row] !== 'stored') continue;
    const at = delayMs > 0 ? Math.ceil(transaction.now + delayMs) : transaction.now;
    place(transaction, queue, { seq: first + row, at, priority, orderingKey });
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
    store.sql('INSERT INTO ready VALUES (?,?,?,?)').run(queue.id, 9 - message.priority, message.at, message.seq);
    queue.ready += 1;
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
export function displace(
  transaction: Transaction,
  queue: QueueRow,
  message: { readonly seq: number; readonly at: number; readonly priority: number },
): boolean {
  const { store } = transaction;
  const { seq, at, priority } = message;
  queue.isChanged = true;
  if (
    store.sql('DELETE FROM ready WHERE queue_id=? AND rank=? AND at=? AND seq=?').run(queue.id, 9 - priority, at, seq)
      .changes > 0
  ) {
    queue.ready -= 1;
    return true;
  }
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
