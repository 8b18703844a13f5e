/** The log of events: appending, reading, and what retention takes. */

import type { PreparedMessage } from '@busbar/api/driver';
import type { TopicEvent } from '@busbar/api/transport';
import { isFull, readBatch } from '../connection/row-batch.ts';
import { CONTENT } from '../connection/schema.ts';
import type { Store } from '../connection/store.ts';
import type { Transaction } from '../connection/transaction.ts';
import { CONTENT_COLUMNS, pushContent, readContent, weigh } from '../queues/stored-message.ts';
import { toPosition } from './position.ts';

const CHUNK = 16;
const COLUMNS = 4 + CONTENT_COLUMNS;
const INSERT = `INSERT INTO log (seq, topic_id, at, bytes, ${CONTENT}) VALUES `;
const ROW = `(${Array(COLUMNS).fill('?').join(',')})`;
const INSERT_MANY = INSERT + Array(CHUNK).fill(ROW).join(',');
const INSERT_ONE = INSERT + ROW;
const SELECT = `SELECT seq, topic_id, ${CONTENT} FROM log`;

/** A namespace's share of the log. */
export interface Space {
  events: number;
  bytes: number;
  first: number;
  trimmed: number;
  lastAt: number;
}

/** The share of the store's namespace. */
export function loadSpace(store: Store): Space {
  const row = store
    .sql<[number, number, number, number, number]>(
      'SELECT events, bytes, first, trimmed, last_at FROM space WHERE ns=?',
    )
    .get(store.ns);
  if (row === undefined) return { events: 0, bytes: 0, first: 0, trimmed: 0, lastAt: 0 };
  const [events, bytes, first, trimmed, lastAt] = row;
  return { events, bytes, first, trimmed, lastAt };
}

export function saveSpace(store: Store, space: Space): void {
  const { events, bytes, first, trimmed, lastAt } = space;
  store
    .sql('INSERT OR REPLACE INTO space (ns, events, bytes, first, trimmed, last_at) VALUES (?,?,?,?,?,?)')
    .run(store.ns, events, bytes, first, trimmed, lastAt);
}

/** The id of a topic, undefined where it has none yet. */
export function findTopic(store: Store, name: string): number | undefined {
  return store.value('SELECT id FROM topic WHERE ns=? AND name=?', store.ns, name) as number | undefined;
}

/** The id of a topic, made where it is not there. */
export function ensureTopic(store: Store, name: string): number {
  const found = findTopic(store, name);
  if (found !== undefined) return found;
  const { lastInsertRowid } = store
    .sql('INSERT INTO topic (ns, name, events, trimmed) VALUES (?,?,0,0)')
    .run(store.ns, name);
  return Number(lastInsertRowid);
}

/** Appends events with their numbers, published at wall time `at`. */
export function append(
  transaction: Transaction,
  topicId: number,
  messages: readonly PreparedMessage[],
  numbers: readonly number[],
  at: number = Date.now(),
): void {
  const { store } = transaction;
  const space = loadSpace(store);
  // Over all namespaces the times in the log never fall, though the wall clock may.
  const lastAt = (store.value('SELECT at FROM log ORDER BY seq DESC LIMIT 1') as number | undefined) ?? 0;
  space.lastAt = Math.max(space.lastAt, lastAt, Math.floor(at));
  let parameters: unknown[] = [];
  for (const [index, message] of messages.entries()) {
    const bytes = weigh(message);
    parameters.push(numbers[index], topicId, space.lastAt, bytes);
    pushContent(parameters, message);
    space.events += 1;
    space.bytes += bytes;
    if (parameters.length < CHUNK * COLUMNS) continue;
    store.sql(INSERT_MANY).run(parameters);
    parameters = [];
  }
  for (let from = 0; from < parameters.length; from += COLUMNS) {
    store.sql(INSERT_ONE).run(parameters.slice(from, from + COLUMNS));
  }
  store.sql('UPDATE topic SET events = events + ? WHERE id=?').run(messages.length, topicId);
  saveSpace(store, space);
}

/** Where a cursor reads: after a number, up to another, of some topics. */
export interface Stretch {
  readonly after: number;
  readonly upTo: number;
  readonly topics: readonly number[];
  readonly max: number;
}

/** An event with its number. */
export interface Logged {
  readonly seq: number;
  readonly event: TopicEvent;
}

/** Numbers that one read passes over at most when it has to look at events of other topics. */
const SPAN = 2000;

/**
 * The next events of a stretch, and up to which number there are no more. One topic goes by its index, several by the
 * log itself.
 */
export function readLog(store: Store, stretch: Stretch): { events: Logged[]; seenUpTo: number } {
  const { after, upTo, topics, max } = stretch;
  const end = topics.length === 1 ? upTo : Math.min(upTo, after + SPAN);
  if (topics.length === 0) return { events: [], seenUpTo: upTo };
  const rows =
    topics.length === 1
      ? readBatch(store.sql(`${SELECT} WHERE topic_id=? AND seq>? AND seq<=? ORDER BY seq LIMIT ?`), [
          topics[0],
          after,
          end,
          max,
        ])
      : readBatch(
          store.sql(
            `${SELECT} WHERE seq>? AND seq<=? AND +topic_id IN (SELECT value FROM json_each(?)) ORDER BY seq LIMIT ?`,
          ),
          [after, end, JSON.stringify(topics), max],
        );
  const events = rows.map((row) => {
    const seq = row[0] as number;
    return { seq, event: { ...readContent(row, 2), position: toPosition(store.storeId, seq) } as TopicEvent };
  });
  const isCut = events.length === max || isFull(rows);
  return { events, seenUpTo: isCut ? (events.at(-1)?.seq ?? end) : end };
}

/** The number of the last event before wall time `time`: binary search, since the times of events never fall. */
export function lastBefore(store: Store, time: number): number {
  let low = (store.value('SELECT min(seq) FROM log') as number | null) ?? 1;
  let high = (store.value('SELECT max(seq) FROM log') as number | null) ?? 0;
  while (low <= high) {
    const middle = Math.floor((low + high) / 2);
    const row = store.sql<[number, number]>('SELECT seq, at FROM log WHERE seq>=? ORDER BY seq LIMIT 1').get(middle);
    if (row === undefined || row[1] >= time) high = middle - 1;
    else low = row[0] + 1;
  }
  return high;
}
