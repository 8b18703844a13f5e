/** What happens to a message whose attempt has ended without success: its history, its death, its expiry. */

import type { AttemptRecord } from '@busbar/api/transport';
import { CONTENT } from '../connection/schema.ts';
import type { Transaction } from '../connection/transaction.ts';
import { removeJob } from './messages.ts';
import type { QueueRow } from './queue-row.ts';

/** How many ended attempts are remembered. */
const HISTORY = 20;

/** What decides the fate of a message. */
export interface JobState {
  readonly seq: number;
  readonly at: number;
  readonly priority: number;
  readonly orderingKey: string | null;
  /** Ended and counted. */
  readonly attempts: number;
  readonly maxAttempts: number | null;
  readonly expires: number | null;
  readonly history: string | null;
}

type Raw = readonly [number, number, number, string | null, number, number | null, number | null, string | null];

/** The state of a message, undefined when it is not there. */
export function loadState(transaction: Transaction, seq: number): JobState | undefined {
  const row = transaction.store
    .sql<Raw>('SELECT seq, at, priority, ordering_key, attempts, max_attempts, expires, history FROM job WHERE seq=?')
    .get(seq);
  if (row === undefined) return undefined;
  const [, at, priority, orderingKey, attempts, maxAttempts, expires, history] = row;
  return { seq, at, priority, orderingKey, attempts, maxAttempts, expires, history };
}

/** How often a message may be delivered. */
export function maxAttemptsOf(queue: QueueRow, job: { readonly maxAttempts: number | null }): number {
  return job.maxAttempts ?? queue.settings.maxAttempts;
}

/** `job` after one more ended attempt, stored. */
export function endAttempt(
  transaction: Transaction,
  job: JobState,
  record: Omit<AttemptRecord, 'attempt' | 'endedAt'>,
): JobState {
  const attempts = job.attempts + 1;
  const ended: AttemptRecord = { attempt: attempts, endedAt: Date.now(), ...record };
  const history = JSON.stringify([...readHistory(job.history), ended].slice(-HISTORY));
  transaction.store.sql('UPDATE job SET attempts=?, history=? WHERE seq=?').run(attempts, history, job.seq);
  return { ...job, attempts, history };
}

/** The attempts in a column, oldest first. */
export function readHistory(text: string | null): AttemptRecord[] {
  if (text === null) return [];
  const records = JSON.parse(text) as Partial<AttemptRecord>[];
  return records.map((record) => ({ reason: undefined, consumer: undefined, ...record }) as AttemptRecord);
}

/** Moves a message that stands nowhere any more to the dead letters. */
export function bury(transaction: Transaction, queue: QueueRow, seq: number, reason: string): void {
  if (isExpired(transaction, seq)) {
    expire(transaction, queue, seq);
    return;
  }
  transaction.store
    .sql(
      `INSERT INTO dead (queue_id, died_at, died_at_wall, reason, attempts, history, ${CONTENT})
       SELECT queue_id, ?, ?, ?, attempts, history, ${CONTENT} FROM job WHERE seq=?`,
    )
    .run(transaction.now, Date.now(), reason, seq);
  removeJob(transaction, queue, seq);
  queue.dead += 1;
  queue.died += 1;
  queue.isChanged = true;
}

function isExpired({ store, now }: Transaction, seq: number): boolean {
  return store.value('SELECT 1 FROM job WHERE seq=? AND expires<=?', seq, now) !== undefined;
}

/** Drops a message that stands nowhere any more and whose time to live is over. */
export function expire(transaction: Transaction, queue: QueueRow, seq: number): void {
  removeJob(transaction, queue, seq);
  queue.expired += 1;
  queue.isChanged = true;
}
