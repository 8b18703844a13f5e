/** Browses messages without claiming them: one state after another, page by page. */

import type { BrowseFilter } from '@busbar/api/driver';
import { type BrowsePage, invalid, type MessageState, quote } from '@busbar/api/transport';
import { isBatchFull, readBatch } from '../connection/rows.ts';
import type { Transaction } from '../connection/transaction.ts';
import { findSeqs } from '../queues/dedupe.ts';
import type { QueueRow } from '../queues/queue-row.ts';
import {
  type FoundMessage,
  type FoundRow,
  SELECT_BY_SEQ,
  SELECT_DEAD_BY_ID,
  STATE_TABLES,
  type StateTable,
  toFoundMessage,
} from './state-tables.ts';

/** A page of messages, and where the next page starts. */
export interface FoundPage {
  readonly found: FoundMessage[];
  readonly next: string | undefined;
}

type PagePosition = readonly [number, number, number];

const START: PagePosition = [-1, -1, -1];
/** The order of states. */
const STATES: readonly MessageState[] = ['leased', 'ready', 'delayed', 'dead'];

/** A page of the messages of a queue. */
export function browse(tx: Transaction, queue: QueueRow, filter: BrowseFilter): BrowsePage {
  const { found, next } = findMessages(tx, queue, filter);
  return { messages: found.map(({ browsed }) => browsed), next };
}

/** A page of messages with the fields that an export needs. */
export function findMessages(
  tx: Transaction,
  queue: QueueRow,
  filter: BrowseFilter,
  tables: readonly StateTable[] = STATE_TABLES,
): FoundPage {
  if (filter.ids !== undefined) return findByIds(tx, queue, filter, filter.ids);
  const found: FoundMessage[] = [];
  const [from, start] = parsePagePosition(filter.after);
  for (const [index, table] of tables.entries()) {
    if (index < from || (filter.state !== undefined && !table.states.includes(filter.state))) continue;
    let [a, b, c] = index === from ? start : START;
    for (let isMore = true; isMore; ) {
      const limit = filter.limit - found.length;
      const rows = readBatch(tx.sql<FoundRow>(table.query), [{ queue: queue.id, a, b, c, limit }]);
      for (const row of rows) {
        [a, b, c] = row;
        const one = toFoundMessage(table.state, row, tx.now);
        if (filter.state !== undefined && one.browsed.state !== filter.state) continue;
        found.push(one);
        if (found.length === filter.limit) return { found, next: [index, a, b, c].join('.') };
      }
      if (isBatchFull(rows)) return { found, next: [index, a, b, c].join('.') };
      isMore = rows.length === limit;
    }
  }
  return { found, next: undefined };
}

/** The messages with these ids, in any state. Each id is looked up, without a scan of the queue. */
function findByIds(tx: Transaction, queue: QueueRow, filter: BrowseFilter, ids: readonly string[]): FoundPage {
  const rows = [...new Set(ids)].flatMap((id) => locateRows(tx, queue, id));
  const matching = rows.filter(({ one }) => filter.state === undefined || one.browsed.state === filter.state);
  matching.sort((left, right) => compare(left.order, right.order));
  const from = filter.after === undefined ? 0 : Number(filter.after);
  if (!Number.isSafeInteger(from)) throw invalidAfter(filter.after);
  const found = matching.slice(from, from + filter.limit).map(({ one }) => one);
  const to = from + found.length;
  return { found, next: to < matching.length ? String(to) : undefined };
}

interface LocatedMessage {
  readonly one: FoundMessage;
  readonly order: readonly number[];
}

function locateRows(tx: Transaction, queue: QueueRow, id: string): LocatedMessage[] {
  const live = findSeqs(tx, queue.id, id).flatMap((seq) =>
    tx.sql<FoundRow>(SELECT_BY_SEQ).all({ seq, queue: queue.id, id }),
  );
  const dead = tx.sql<FoundRow>(SELECT_DEAD_BY_ID).all({ queue: queue.id, id });
  const locate = (state: MessageState, row: FoundRow): LocatedMessage => {
    const one = toFoundMessage(state, row, tx.now);
    return { one, order: [STATES.indexOf(one.browsed.state), row[0], row[1], row[2]] };
  };
  return [...live.map((row) => locate('ready', row)), ...dead.map((row) => locate('dead', row))];
}

function compare(left: readonly number[], right: readonly number[]): number {
  const index = left.findIndex((part, at) => part !== right[at]);
  return index < 0 ? 0 : (left[index] ?? 0) - (right[index] ?? 0);
}

function parsePagePosition(after: string | undefined): [number, PagePosition] {
  if (after === undefined) return [0, START];
  if (!/^[0-4](\.-?\d{1,16}){3}$/.test(after)) throw invalidAfter(after);
  const [table = 0, a = 0, b = 0, c = 0] = after.split('.').map(Number);
  return [table, [a, b, c]];
}

function invalidAfter(after: string | undefined): Error {
  return invalid(`invalid after ${quote(after)}`, 'Use `next` of an earlier page.');
}
