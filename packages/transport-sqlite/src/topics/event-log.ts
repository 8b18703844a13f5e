/** The event log: its topics, appending and reading events, and the totals of a namespace. */

import type { PreparedMessage } from '@busbar/api/driver';
import { matchTopic, type TopicEvent } from '@busbar/api/transport';
import { Insertion, isBatchFull, readBatch } from '../connection/rows.ts';
import { MESSAGE_COLUMNS } from '../connection/schema.ts';
import type { Store } from '../connection/store.ts';
import type { Transaction } from '../connection/transaction.ts';
import { pushMessage, readMessage, sizeOf } from '../queues/stored-message.ts';
import { toPosition } from './position.ts';

const INSERTION = new Insertion('event', `seq, topic_id, at, bytes, ${MESSAGE_COLUMNS}`);
const SELECT = `SELECT seq, topic_id, ${MESSAGE_COLUMNS} FROM event`;

/** The events of a namespace in the log: totals for retention, and its bounds. */
export interface NamespaceLog {
  events: number;
  bytes: number;
  first: number;
  pruned: number;
  lastAt: number;
}

/** The totals of the store's namespace. */
export function loadNamespaceLog(store: Store): NamespaceLog {
  const row = store
    .sql<[number, number, number, number, number]>(
      'SELECT events, bytes, first, pruned, last_at FROM namespace_log WHERE ns=?',
    )
    .get(store.ns);
  if (row === undefined) return { events: 0, bytes: 0, first: 0, pruned: 0, lastAt: 0 };
  const [events, bytes, first, pruned, lastAt] = row;
  return { events, bytes, first, pruned, lastAt };
}

export function saveNamespaceLog(store: Store, log: NamespaceLog): void {
  const { events, bytes, first, pruned, lastAt } = log;
  store
    .sql('INSERT OR REPLACE INTO namespace_log (ns, events, bytes, first, pruned, last_at) VALUES (?,?,?,?,?,?)')
    .run(store.ns, events, bytes, first, pruned, lastAt);
}

/** The id of a topic, or undefined if it has no events yet. */
export function findTopic(store: Store, name: string): number | undefined {
  return store.value('SELECT id FROM topic WHERE ns=? AND name=?', store.ns, name) as number | undefined;
}

/** The id of a topic, created if needed. */
export function ensureTopic(store: Store, name: string): number {
  const found = findTopic(store, name);
  if (found !== undefined) return found;
  const { lastInsertRowid } = store
    .sql('INSERT INTO topic (ns, name, events, pruned) VALUES (?,?,0,0)')
    .run(store.ns, name);
  return Number(lastInsertRowid);
}

/** The topics that match a pattern. Only topics that are new since the last call are read. */
export class MatchingTopics {
  readonly #pattern: string;
  readonly #ids: number[] = [];
  #lastId = 0;
  #upTo = 0;

  constructor(pattern: string) {
    this.#pattern = pattern;
  }

  /** The ids of the matching topics. `newest` is the highest id of all topics. */
  ids(store: Store, newest: number): readonly number[] {
    if (newest <= this.#upTo) return this.#ids;
    this.#upTo = newest;
    const fresh = store
      .sql<[number, string]>('SELECT id, name FROM topic WHERE id > ? AND ns=? ORDER BY id')
      .all(this.#lastId, store.ns);
    for (const [id, name] of fresh) {
      this.#lastId = id;
      if (matchTopic(this.#pattern, name)) this.#ids.push(id);
    }
    return this.#ids;
  }
}

/** Appends events with their numbers, published at wall time `at`. */
export function appendEvents(
  tx: Transaction,
  topicId: number,
  messages: readonly PreparedMessage[],
  numbers: readonly number[],
  at: number = Date.now(),
): void {
  const log = loadNamespaceLog(tx.store);
  // The times in the log never fall, in any namespace, even if the wall clock does.
  const lastAt = (tx.value('SELECT at FROM event ORDER BY seq DESC LIMIT 1') as number | undefined) ?? 0;
  log.lastAt = Math.max(log.lastAt, lastAt, Math.floor(at));
  INSERTION.run(tx, messages, (values, message, index) => {
    const bytes = sizeOf(message);
    values.push(numbers[index], topicId, log.lastAt, bytes);
    pushMessage(values, message);
    log.events += 1;
    log.bytes += bytes;
  });
  tx.sql('UPDATE topic SET events = events + ? WHERE id=?').run(messages.length, topicId);
  saveNamespaceLog(tx.store, log);
}

/** The events of some topics, after one number and up to another. */
export interface LogRange {
  readonly after: number;
  readonly upTo: number;
  readonly topics: readonly number[];
  readonly max: number;
}

/** Events that one read covers at most when it also scans those of other topics. */
const MAX_SCANNED = 2000;

/**
 * The next events of a range, and the number up to which it is read. One topic is read by its index, several by a scan
 * of the log.
 */
export function readLog(store: Store, range: LogRange): { events: TopicEvent[]; readUpTo: number } {
  const { after, upTo, topics, max } = range;
  const end = topics.length === 1 ? upTo : endOfScan(store, after, upTo);
  if (topics.length === 0) return { events: [], readUpTo: upTo };
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
  const toEvent = (row: unknown[]): TopicEvent =>
    ({ ...readMessage(row, 2), position: toPosition(store.storeId, row[0] as number) }) as TopicEvent;
  const isCut = rows.length === max || isBatchFull(rows);
  return { events: rows.map(toEvent), readUpTo: isCut ? ((rows.at(-1)?.[0] as number | undefined) ?? end) : end };
}

function endOfScan(store: Store, after: number, upTo: number): number {
  const last = 'SELECT seq FROM event WHERE seq>? AND seq<=? ORDER BY seq LIMIT 1 OFFSET ?';
  return (store.value(last, after, upTo, MAX_SCANNED - 1) as number | undefined) ?? upTo;
}

/** The number of the last event before wall time `time`, by binary search: the times of events never fall. */
export function lastSeqBefore(store: Store, time: number): number {
  let low = (store.value('SELECT min(seq) FROM event') as number | null) ?? 1;
  let high = (store.value('SELECT max(seq) FROM event') as number | null) ?? 0;
  while (low <= high) {
    const middle = Math.floor((low + high) / 2);
    const row = store.sql<[number, number]>('SELECT seq, at FROM event WHERE seq>=? ORDER BY seq LIMIT 1').get(middle);
    if (row === undefined || row[1] >= time) high = middle - 1;
    else low = row[0] + 1;
  }
  return high;
}
