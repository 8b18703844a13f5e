/** The tables of message states, in the order in which they are browsed, and the conversion of their rows. */

import type { BrowsedMessage, MessageState } from '@busbar/api/transport';
import { IS_LEASED, MESSAGE_COLUMNS } from '../connection/schema.ts';
import { readHistory } from '../queues/attempts.ts';
import { readPreparedMessage } from '../queues/stored-message.ts';

/** One of the tables of message states. */
export interface StateTable {
  readonly state: MessageState;
  /** The states that its messages can have now: a delayed message that is due counts as ready before it is promoted. */
  readonly states: readonly MessageState[];
  /** Selects up to `@limit` messages of queue `@queue` after position `@a`, `@b`, `@c`. */
  readonly query: string;
}

/** A browsed message, with what only an export needs. */
export interface FoundMessage {
  readonly browsed: BrowsedMessage;
  readonly maxAttempts: number | undefined;
  readonly ttlMs: number | undefined;
}

/** Position (3 columns), attempts, expires, history, lease end, at, consumer, dead reason, dead time, message columns. */
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

const MESSAGE_FROM = 11;
const NOT_LEASED = `attempts, expires, history, NULL, message.at, NULL, NULL, NULL, ${MESSAGE_COLUMNS}`;
const LEASED = `attempts, expires, history, leased.until, message.at, leased.consumer, NULL, NULL, ${MESSAGE_COLUMNS}`;
const DEAD = `seq, 0, 0, attempts, NULL, history, NULL, NULL, NULL, reason, died_at_wall, ${MESSAGE_COLUMNS}`;

const LEASED_MESSAGES: StateTable = {
  state: 'leased',
  states: ['leased', 'ready'],
  query: `SELECT message.seq, 0, 0, ${LEASED} FROM leased CROSS JOIN message ON message.seq BETWEEN leased.seq AND leased.last
    WHERE leased.queue_id=@queue AND leased.last > @a AND message.seq > @a ORDER BY leased.seq LIMIT @limit`,
};
const READY_MESSAGES: StateTable = {
  state: 'ready',
  states: ['ready'],
  query: `SELECT ready.rank, ready.at, message.seq, ${NOT_LEASED}
    FROM ready CROSS JOIN message ON message.seq BETWEEN ready.seq AND ready.last
    WHERE ready.queue_id=@queue AND (ready.rank, ready.at) >= (@a, @b) AND (ready.rank, ready.at, message.seq) > (@a, @b, @c)
    ORDER BY ready.rank, ready.at, ready.seq LIMIT @limit`,
};
/** Those that wait for an earlier message of their ordering key. */
const BLOCKED_MESSAGES: StateTable = {
  state: 'ready',
  states: ['ready', 'delayed'],
  query: `SELECT blocked.seq, 0, 0, ${NOT_LEASED} FROM blocked JOIN message ON message.seq = blocked.seq
    WHERE blocked.queue_id=@queue AND blocked.seq > @a ORDER BY blocked.seq LIMIT @limit`,
};
const DELAYED_MESSAGES: StateTable = {
  state: 'delayed',
  states: ['delayed', 'ready'],
  query: `SELECT delayed.due, delayed.seq, 0, ${NOT_LEASED} FROM delayed JOIN message ON message.seq = delayed.seq
    WHERE delayed.queue_id=@queue AND (delayed.due, delayed.seq) > (@a, @b) ORDER BY delayed.due, delayed.seq LIMIT @limit`,
};
const DEAD_LETTERS: StateTable = {
  state: 'dead',
  states: ['dead'],
  query: `SELECT ${DEAD} FROM dead WHERE queue_id=@queue AND seq > @a ORDER BY seq LIMIT @limit`,
};

/** In the order in which messages are browsed. */
export const STATE_TABLES: readonly StateTable[] = [
  LEASED_MESSAGES,
  READY_MESSAGES,
  BLOCKED_MESSAGES,
  DELAYED_MESSAGES,
  DEAD_LETTERS,
];

/** In the order of an export: the first message of each ordering key precedes those that wait for it. */
export const EXPORTED_TABLES: readonly StateTable[] = [
  LEASED_MESSAGES,
  READY_MESSAGES,
  DELAYED_MESSAGES,
  BLOCKED_MESSAGES,
  DEAD_LETTERS,
];

/** Selects a pending message by its number and id. */
export const SELECT_BY_SEQ: string = `SELECT 9 - priority, at, seq, attempts, expires, history,
    CASE WHEN ${IS_LEASED} THEN (SELECT until FROM leased WHERE leased.seq <= message.seq ORDER BY leased.seq DESC LIMIT 1) END,
    at, (SELECT consumer FROM leased WHERE leased.seq <= message.seq ORDER BY leased.seq DESC LIMIT 1), NULL, NULL, ${MESSAGE_COLUMNS}
  FROM message WHERE seq=@seq AND queue_id=@queue AND id=@id`;

/** Selects dead letters by their id. */
export const SELECT_DEAD_BY_ID: string = `SELECT ${DEAD} FROM dead WHERE queue_id=@queue AND id=@id ORDER BY seq`;

/** Converts a row. */
export function toFoundMessage(table: MessageState, row: FoundRow, now: number): FoundMessage {
  const [, , , attempts, expires, history, until, at, consumer, reason, diedAt] = row;
  const state = stateOf(table, at, until, now);
  const { delayMs: _delay, ttlMs, maxAttempts, ...message } = readPreparedMessage(row, MESSAGE_FROM);
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
  return { browsed, maxAttempts, ttlMs };
}

function stateOf(table: MessageState, at: number | null, until: number | null, now: number): MessageState {
  if (table === 'dead') return 'dead';
  if (until !== null) return until > now ? 'leased' : 'ready';
  return at !== null && at > now ? 'delayed' : 'ready';
}
