/** Ends attempts: counts them, and requeues, buries or expires the message. */

import type { AttemptRecord } from '@busbar/api/transport';
import { MESSAGE_COLUMNS } from '../connection/schema.ts';
import type { Transaction } from '../connection/transaction.ts';
import { deleteMessage, insertIntoState } from './message-state.ts';
import type { QueueRow } from './queue-row.ts';

/** Ended attempts that a message keeps. */
const MAX_HISTORY = 20;

/** The columns of a message that decide what follows an attempt. */
export interface AttemptState {
  readonly seq: number;
  readonly at: number;
  readonly priority: number;
  readonly orderingKey: string | null;
  /** Attempts that have ended. */
  readonly attempts: number;
  readonly maxAttempts: number | null;
  readonly expires: number | null;
  readonly history: string | null;
}

type AttemptRow = readonly [number, number, number, string | null, number, number | null, number | null, string | null];

/** The state of a message, or undefined if it does not exist. */
export function loadAttemptState(tx: Transaction, seq: number): AttemptState | undefined {
  const row = tx
    .sql<AttemptRow>(
      'SELECT seq, at, priority, ordering_key, attempts, max_attempts, expires, history FROM message WHERE seq=?',
    )
    .get(seq);
  if (row === undefined) return undefined;
  const [, at, priority, orderingKey, attempts, maxAttempts, expires, history] = row;
  return { seq, at, priority, orderingKey, attempts, maxAttempts, expires, history };
}

/** How often a message may be delivered. */
export function maxAttemptsOf(queue: QueueRow, message: { readonly maxAttempts: number | null }): number {
  return message.maxAttempts ?? queue.settings.maxAttempts;
}

/** Stores that one more attempt of the message has ended. Returns its new state. */
export function endAttempt(
  tx: Transaction,
  message: AttemptState,
  record: Omit<AttemptRecord, 'attempt' | 'endedAt'>,
): AttemptState {
  const attempts = message.attempts + 1;
  const ended: AttemptRecord = { attempt: attempts, endedAt: Date.now(), ...record };
  const history = JSON.stringify([...readHistory(message.history), ended].slice(-MAX_HISTORY));
  tx.sql('UPDATE message SET attempts=?, history=? WHERE seq=?').run(attempts, history, message.seq);
  return { ...message, attempts, history };
}

/** Parses the column `history`, oldest attempt first. */
export function readHistory(text: string | null): AttemptRecord[] {
  if (text === null) return [];
  const records = JSON.parse(text) as Partial<AttemptRecord>[];
  return records.map((record) => ({ reason: undefined, consumer: undefined, ...record }) as AttemptRecord);
}

/** Moves a message without a state to the dead letters, or expires it. */
export function bury(tx: Transaction, queue: QueueRow, seq: number, reason: string): void {
  if (tx.exists('SELECT 1 FROM message WHERE seq=? AND expires<=?', seq, tx.now)) {
    expire(tx, queue, seq);
    return;
  }
  tx.sql(
    `INSERT INTO dead (queue_id, died_at, died_at_wall, reason, attempts, history, ${MESSAGE_COLUMNS})
       SELECT queue_id, ?, ?, ?, attempts, history, ${MESSAGE_COLUMNS} FROM message WHERE seq=?`,
  ).run(tx.now, Date.now(), reason, seq);
  deleteMessage(tx, queue, seq);
  queue.dead += 1;
  queue.totalDead += 1;
  queue.isChanged = true;
}

/** Deletes a message without a state whose time to live has ended. */
export function expire(tx: Transaction, queue: QueueRow, seq: number): void {
  deleteMessage(tx, queue, seq);
  queue.totalExpired += 1;
  queue.isChanged = true;
}

/** Puts a message back as of `at`, unless its time to live has ended. */
export function requeue(tx: Transaction, queue: QueueRow, message: AttemptState, at: number): void {
  const { seq, priority } = message;
  if (message.expires !== null && message.expires <= tx.now) expire(tx, queue, seq);
  // No earlier message has its ordering key, since it was claimed. So it is not blocked.
  else insertIntoState(tx, queue, { seq, at, priority, orderingKey: undefined });
}
