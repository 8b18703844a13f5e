/** Where messages of a queue stand, table by table, in the order in which they are shown; and a row as what is shown. */

import type { BrowsedMessage, MessageState } from '@busbar/api/transport';
import { CONTENT, IS_LEASED } from '../connection/schema.ts';
import { readHistory } from '../queues/attempts.ts';
import { readStamped } from '../queues/stored-message.ts';

/** One of the tables that a message can stand in. */
export interface Shelf {
  readonly state: MessageState;
  /** States that its messages can be in, seen from now: what has come due is ready before anybody brings it forward. */
  readonly states: readonly MessageState[];
  /** Selects at most `@limit` messages of queue `@queue` behind the place `@a`, `@b`, `@c`. */
  readonly query: string;
}

/** A message as it was found, with what an export needs beside. */
export interface Found {
  readonly browsed: BrowsedMessage;
  readonly maxAttempts: number | undefined;
}

/** Of a row: its place (3), attempts, expires, history, end of its lease, at, consumer, reason, wall time of death, content. */
export type FoundRow = readonly [
  a: number,
  b: number,
  c: number,
  attempts: number,
  expires: number | null,
  history: string | null,
  until: number | null,
  at: number | null,
  consumer: string | null,
  reason: string | null,
  diedAt: number | null,
  ...content: unknown[],
];

const CONTENT_FROM = 11;
const UNHELD = `attempts, expires, history, NULL, job.at, NULL, NULL, NULL, ${CONTENT}`;
const HELD = `attempts, expires, history, leased.until, job.at, leased.consumer, NULL, NULL, ${CONTENT}`;
const DEAD = `seq, 0, 0, attempts, NULL, history, NULL, NULL, NULL, reason, died_at_wall, ${CONTENT}`;

export const SHELVES: readonly Shelf[] = [
  {
    state: 'leased',
    states: ['leased', 'ready'],
    query: `SELECT job.seq, 0, 0, ${HELD} FROM leased CROSS JOIN job ON job.seq BETWEEN leased.seq AND leased.last
      WHERE leased.queue_id=@queue AND leased.last > @a AND job.seq > @a ORDER BY leased.seq LIMIT @limit`,
  },
  {
    state: 'ready',
    states: ['ready'],
    query: `SELECT ready.rank, ready.at, job.seq, ${UNHELD}
      FROM ready CROSS JOIN job ON job.seq BETWEEN ready.seq AND ready.last
      WHERE ready.queue_id=@queue AND (ready.rank, ready.at) >= (@a, @b) AND (ready.rank, ready.at, job.seq) > (@a, @b, @c)
      ORDER BY ready.rank, ready.at, ready.seq LIMIT @limit`,
  },
  {
    state: 'ready',
    states: ['ready', 'delayed'],
    query: `SELECT blocked.seq, 0, 0, ${UNHELD} FROM blocked JOIN job ON job.seq = blocked.seq
      WHERE blocked.queue_id=@queue AND blocked.seq > @a ORDER BY blocked.seq LIMIT @limit`,
  },
  {
    state: 'delayed',
    states: ['delayed', 'ready'],
    query: `SELECT delayed.due, delayed.seq, 0, ${UNHELD} FROM delayed JOIN job ON job.seq = delayed.seq
      WHERE delayed.queue_id=@queue AND (delayed.due, delayed.seq) > (@a, @b) ORDER BY delayed.due, delayed.seq LIMIT @limit`,
  },
  {
    state: 'dead',
    states: ['dead'],
    query: `SELECT ${DEAD} FROM dead WHERE queue_id=@queue AND seq > @a ORDER BY seq LIMIT @limit`,
  },
];

/** Selects a message that is not dead by its number and id: rank, at and number are its place. */
export const BY_NUMBER: string = `SELECT 9 - priority, at, seq, attempts, expires, history,
    CASE WHEN ${IS_LEASED} THEN (SELECT until FROM leased WHERE leased.seq <= job.seq ORDER BY leased.seq DESC LIMIT 1) END,
    at, (SELECT consumer FROM leased WHERE leased.seq <= job.seq ORDER BY leased.seq DESC LIMIT 1), NULL, NULL, ${CONTENT}
  FROM job WHERE seq=@seq AND queue_id=@queue AND id=@id`;

/** Selects dead letters by their id. */
export const DEAD_BY_ID: string = `SELECT ${DEAD} FROM dead WHERE queue_id=@queue AND id=@id ORDER BY seq`;

/** What is shown of a row. */
export function toFound(shelf: MessageState, row: FoundRow, now: number): Found {
  const [, , , attempts, expires, history, until, at, consumer, reason, diedAt] = row;
  const state = stateOf(shelf, at, until, now);
  const { delayMs: _delay, ttlMs: _ttl, maxAttempts, ...message } = readStamped(row, CONTENT_FROM);
  const browsed: BrowsedMessage = {
    message,
    state,
    attempts: attempts + (state === 'leased' ? 1 : 0),
    delayLeftMs: state === 'delayed' ? (at ?? now) - now : undefined,
    leaseLeftMs: state === 'leased' ? (until ?? now) - now : undefined,
    consumer: state === 'leased' ? (consumer ?? undefined) : undefined,
    ttlLeftMs: expires === null ? undefined : Math.max(0, expires - now),
    history: readHistory(history),
    dead: diedAt === null ? undefined : { reason: reason ?? '', at: diedAt },
  };
  return { browsed, maxAttempts };
}

function stateOf(shelf: MessageState, at: number | null, until: number | null, now: number): MessageState {
  if (shelf === 'dead') return 'dead';
  if (until !== null) return until > now ? 'leased' : 'ready';
  return at !== null && at > now ? 'delayed' : 'ready';
}
