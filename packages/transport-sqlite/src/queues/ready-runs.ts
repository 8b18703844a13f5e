/** The ready messages of a queue: runs of numbers, since what was sent together is mostly taken together. */

import type { Transaction } from '../connection/transaction.ts';
import type { QueueRow } from './queue-row.ts';

/** Messages of one priority that became ready together, with numbers that follow each other. */
export interface ReadyRun {
  /** 9 minus the priority, so that the highest comes first. */
  readonly rank: number;
  readonly at: number;
  readonly first: number;
  readonly last: number;
}

/** What tells where a ready message stands. */
export interface ReadyPlace {
  readonly seq: number;
  readonly at: number;
  readonly priority: number;
}

export function addReady(transaction: Transaction, queue: QueueRow, run: ReadyRun): void {
  insert(transaction, queue.id, run);
  queue.ready += run.last - run.first + 1;
  queue.isChanged = true;
}

/** Takes the front of a rank, up to message `seq` of the run that begins with `run.first`. Its rest stays. */
export function takeFront(transaction: Transaction, queue: QueueRow, run: ReadyRun, seq: number): void {
  transaction.store
    .sql('DELETE FROM ready WHERE queue_id=? AND rank=? AND (at, seq) <= (?, ?)')
    .run(queue.id, run.rank, run.at, run.first);
  if (seq < run.last) insert(transaction, queue.id, { ...run, first: seq + 1 });
}

/** Takes one message out. False when it is not among the ready. */
export function removeReady(transaction: Transaction, queue: QueueRow, { seq, at, priority }: ReadyPlace): boolean {
  const { store } = transaction;
  const rank = 9 - priority;
  const run = store
    .sql<[number, number]>(
      'SELECT seq, last FROM ready WHERE queue_id=? AND rank=? AND at=? AND seq<=? ORDER BY seq DESC LIMIT 1',
    )
    .get(queue.id, rank, at, seq);
  if (run === undefined || run[1] < seq) return false;
  const [first, last] = run;
  store.sql('DELETE FROM ready WHERE queue_id=? AND rank=? AND at=? AND seq=?').run(queue.id, rank, at, first);
  if (first < seq) insert(transaction, queue.id, { rank, at, first, last: seq - 1 });
  if (seq < last) insert(transaction, queue.id, { rank, at, first: seq + 1, last });
  queue.ready -= 1;
  queue.isChanged = true;
  return true;
}

function insert({ store }: Transaction, queueId: number, { rank, at, first, last }: ReadyRun): void {
  store.sql('INSERT INTO ready (queue_id, rank, at, seq, last) VALUES (?,?,?,?,?)').run(queueId, rank, at, first, last);
}
