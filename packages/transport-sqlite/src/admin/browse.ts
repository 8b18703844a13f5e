/** Looking at messages without touching them: one state after the other, page by page. */

import type { BrowseFilter } from '@busbar/api/driver';
import { type BrowsePage, invalid, type MessageState, quote } from '@busbar/api/transport';
import { isFull, readBatch } from '../connection/row-batch.ts';
import type { Transaction } from '../connection/transaction.ts';
import { knownSeq } from '../queues/dedupe.ts';
import type { QueueRow } from '../queues/queue-row.ts';
import { BY_NUMBER, DEAD_BY_ID, type Found, type FoundRow, SHELVES, toFound } from './state-tables.ts';

/** Messages, and where the next page begins. */
export interface FoundPage {
  readonly found: Found[];
  readonly next: string | undefined;
}

type Place = readonly [number, number, number];

const BEGIN: Place = [-1, -1, -1];
/** The order in which states are shown. */
const STATES: readonly MessageState[] = ['leased', 'ready', 'delayed', 'dead'];

/** A page of the messages of a queue. */
export function browse(transaction: Transaction, queue: QueueRow, filter: BrowseFilter): BrowsePage {
  const { found, next } = find(transaction, queue, filter);
  return { messages: found.map(({ browsed }) => browsed), next };
}

/** A page of the messages of a queue, with what an export needs. */
export function find(transaction: Transaction, queue: QueueRow, filter: BrowseFilter): FoundPage {
  if (filter.ids !== undefined) return findByIds(transaction, queue, filter, filter.ids);
  const found: Found[] = [];
  const [from, begin] = parsePlace(filter.after);
  for (const [index, shelf] of SHELVES.entries()) {
    if (index < from || (filter.state !== undefined && !shelf.states.includes(filter.state))) continue;
    let [a, b, c] = index === from ? begin : BEGIN;
    for (let isMore = true; isMore; ) {
      const limit = filter.limit - found.length;
      const rows = readBatch(transaction.store.sql<FoundRow>(shelf.query), [{ queue: queue.id, a, b, c, limit }]);
      for (const row of rows) {
        [a, b, c] = row;
        const one = toFound(shelf.state, row, transaction.now);
        if (filter.state !== undefined && one.browsed.state !== filter.state) continue;
        found.push(one);
        if (found.length === filter.limit) return { found, next: [index, a, b, c].join('.') };
      }
      if (isFull(rows)) return { found, next: [index, a, b, c].join('.') };
      isMore = rows.length === limit;
    }
  }
  return { found, next: undefined };
}

/** The messages that ids name, wherever they stand: each is looked up, the queue is not read. */
function findByIds(transaction: Transaction, queue: QueueRow, filter: BrowseFilter, ids: readonly string[]): FoundPage {
  const rows = [...new Set(ids)].flatMap((id) => locateRows(transaction, queue, id));
  const wanted = rows.filter(({ one }) => filter.state === undefined || one.browsed.state === filter.state);
  wanted.sort((left, right) => compare(left.order, right.order));
  const from = filter.after === undefined ? 0 : Number(filter.after);
  if (!Number.isSafeInteger(from)) throw badAfter(filter.after);
  const found = wanted.slice(from, from + filter.limit).map(({ one }) => one);
  const to = from + found.length;
  return { found, next: to < wanted.length ? String(to) : undefined };
}

interface Located {
  readonly one: Found;
  readonly order: readonly number[];
}

function locateRows(transaction: Transaction, queue: QueueRow, id: string): Located[] {
  const { store, now } = transaction;
  const seq = knownSeq(transaction, queue.id, id) ?? null;
  const live = store.sql<FoundRow>(BY_NUMBER).all({ seq, queue: queue.id, id });
  const dead = store.sql<FoundRow>(DEAD_BY_ID).all({ queue: queue.id, id });
  const locate = (shelf: MessageState, row: FoundRow): Located => {
    const one = toFound(shelf, row, now);
    return { one, order: [STATES.indexOf(one.browsed.state), row[0], row[1], row[2]] };
  };
  return [...live.map((row) => locate('ready', row)), ...dead.map((row) => locate('dead', row))];
}

function compare(left: readonly number[], right: readonly number[]): number {
  const index = left.findIndex((part, at) => part !== right[at]);
  return index < 0 ? 0 : (left[index] ?? 0) - (right[index] ?? 0);
}

function parsePlace(after: string | undefined): [number, Place] {
  if (after === undefined) return [0, BEGIN];
  if (!/^[0-4](\.-?\d{1,16}){3}$/.test(after)) throw badAfter(after);
  const [shelf = 0, a = 0, b = 0, c = 0] = after.split('.').map(Number);
  return [shelf, [a, b, c]];
}

function badAfter(after: string | undefined): Error {
  return invalid(`illegal after ${quote(after)}`, 'Use the next of an earlier page.');
}
