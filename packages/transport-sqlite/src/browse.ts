/** Looking at messages without touching them: one state after the other, page by page. */

import {
  type BrowsedMessage,
  type BrowseFilter,
  type BrowsePage,
  invalid,
  type MessageState,
  quote,
} from '@busbar/api/transport';
import { readHistory } from './attempts.ts';
import { readContent, readStamped } from './message-row.ts';
import type { QueueRow } from './queue-row.ts';
import { CONTENT } from './schema.ts';
import type { Transaction } from './transaction.ts';

type Place = readonly number[];

/** One of the tables that a message can stand in, in the order in which they are shown. */
interface Shelf {
  readonly state: MessageState;
  /** States that a message in it can be in, seen from now. */
  readonly states: readonly MessageState[];
  /** Selects at most as many rows as the last parameter says, behind a place: the queue's id and the place come before. */
  readonly query: string;
  /** Parts of a place in it. */
  readonly parts: number;
}

// Each row: up to three parts of its place, then attempts, expires, history, until, due, consumer, reason, wall time of death, content.
const JOB = `attempts, expires, history, leased.until, job.at, leased.consumer, NULL, NULL, ${CONTENT}`;
const SHELVES: readonly Shelf[] = [
  {
    state: 'leased',
    states: ['leased', 'ready'],
    parts: 1,
    query: `SELECT leased.seq, 0, 0, ${JOB} FROM leased JOIN job ON job.seq = leased.seq
      WHERE leased.queue_id=? AND leased.seq > ? ORDER BY leased.seq LIMIT ?`,
  },
  {
    state: 'ready',
    states: ['ready'],
    parts: 3,
    query: `SELECT ready.rank, ready.at, ready.seq, ${JOB} FROM ready JOIN job ON job.seq = ready.seq LEFT JOIN leased ON 0
      WHERE ready.queue_id=? AND (ready.rank, ready.at, ready.seq) > (?,?,?) ORDER BY ready.rank, ready.at, ready.seq LIMIT ?`,
  },
  {
    state: 'ready',
    states: ['ready', 'delayed'],
    parts: 1,
    query: `SELECT blocked.seq, 0, 0, ${JOB} FROM blocked JOIN job ON job.seq = blocked.seq LEFT JOIN leased ON 0
      WHERE blocked.queue_id=? AND blocked.seq > ? ORDER BY blocked.seq LIMIT ?`,
  },
  {
    state: 'delayed',
    states: ['delayed', 'ready'],
    parts: 2,
    query: `SELECT delayed.due, delayed.seq, 0, ${JOB} FROM delayed JOIN job ON job.seq = delayed.seq LEFT JOIN leased ON 0
      WHERE delayed.queue_id=? AND (delayed.due, delayed.seq) > (?,?) ORDER BY delayed.due, delayed.seq LIMIT ?`,
  },
  {
    state: 'dead',
    states: ['dead'],
    parts: 1,
    query: `SELECT seq, 0, 0, attempts, NULL, history, NULL, NULL, NULL, reason, died_at_wall, ${CONTENT}
      FROM dead WHERE queue_id=? AND seq > ? ORDER BY seq LIMIT ?`,
  },
];
const CONTENT_FROM = 11;

/** A message as it was found, with what an export needs beside. */
export interface Found {
  readonly browsed: BrowsedMessage;
  readonly maxAttempts: number | undefined;
}

/** A page of the messages of a queue. */
export function browse(transaction: Transaction, queue: QueueRow, filter: BrowseFilter): BrowsePage {
  const page = find(transaction, queue, filter);
  return { messages: page.found.map(({ browsed }) => browsed), next: page.next };
}

/** A page of the messages of a queue, with what an export needs. */
export function find(
  transaction: Transaction,
  queue: QueueRow,
  filter: BrowseFilter,
): { found: Found[]; next: string | undefined } {
  const found: Found[] = [];
  const ids = filter.ids && new Set(filter.ids);
  let [shelfIndex, place] = parsePlace(filter.after);
  for (; shelfIndex < SHELVES.length; shelfIndex += 1, place = undefined) {
    const shelf = SHELVES[shelfIndex] as Shelf;
    if (filter.state !== undefined && !shelf.states.includes(filter.state)) continue;
    place ??= new Array<number>(shelf.parts).fill(-1);
    for (let isMore = true; isMore; ) {
      const limit = ids === undefined ? filter.limit - found.length : 1000;
      const rows = transaction.store.sql(shelf.query).all(queue.id, ...place, limit);
      for (const row of rows) {
        place = row.slice(0, shelf.parts) as number[];
        const one = toFound(transaction, shelf.state, row);
        if (!isWanted(one, filter, ids)) continue;
        found.push(one);
        if (found.length === filter.limit) return { found, next: `${shelfIndex}.${place.join('.')}` };
      }
      isMore = rows.length === limit;
    }
  }
  return { found, next: undefined };
}

function isWanted({ browsed }: Found, filter: BrowseFilter, ids: ReadonlySet<string> | undefined): boolean {
  if (filter.state !== undefined && browsed.state !== filter.state) return false;
  return ids === undefined || ids.has(browsed.message.id);
}

function toFound(transaction: Transaction, shelf: MessageState, row: readonly unknown[]): Found {
  const { now } = transaction;
  const [attempts, expires, history, until, at, consumer, reason, diedAt] = row.slice(3, CONTENT_FROM) as [
    number,
    number | null,
    string | null,
    number | null,
    number | null,
    string | null,
    string | null,
    number | null,
  ];
  const state = stateOf(shelf, at, until, now);
  const browsed: BrowsedMessage = {
    message: readContent(row, CONTENT_FROM),
    state,
    attempts: attempts + (state === 'leased' ? 1 : 0),
    delayLeftMs: state === 'delayed' ? (at ?? now) - now : undefined,
    leaseLeftMs: state === 'leased' ? (until ?? now) - now : undefined,
    consumer: state === 'leased' ? (consumer ?? undefined) : undefined,
    ttlLeftMs: expires === null ? undefined : Math.max(0, expires - now),
    history: readHistory(history),
    dead: diedAt === null ? undefined : { reason: reason ?? '', at: diedAt },
  };
  return { browsed, maxAttempts: readStamped(row, CONTENT_FROM).maxAttempts };
}

/** What has come due counts as ready, though nobody may have brought it forward yet. */
function stateOf(shelf: MessageState, at: number | null, until: number | null, now: number): MessageState {
  if (shelf === 'dead') return 'dead';
  if (shelf === 'leased') return until !== null && until > now ? 'leased' : 'ready';
  return at !== null && at > now ? 'delayed' : 'ready';
}

function parsePlace(after: string | undefined): [number, Place | undefined] {
  if (after === undefined) return [0, undefined];
  const parts = /^\d+(\.\d+){1,3}$/.test(after) ? after.split('.').map(Number) : [];
  const [shelf = -1, ...place] = parts;
  if (SHELVES[shelf]?.parts === place.length) return [shelf, place];
  throw invalid(`illegal after ${quote(after)}`, 'Use the next of an earlier page.');
}
