/** The ready messages of a queue, as runs of numbers: messages sent together are mostly claimed together. */

import type { Transaction } from '../connection/transaction.ts';
import type { QueueRow } from './queue-row.ts';

/** Consecutive messages of one priority that became ready together. */
export interface ReadyRun {
  /** 9 minus the priority, so that the highest priority sorts first. */
  readonly rank: number;
  readonly at: number;
  readonly first: number;
  readonly last: number;
}

/** Identifies a message in the table `ready`. */
export interface ReadyKey {
  readonly seq: number;
  readonly at: number;
  readonly priority: number;
}

export function addReady(tx: Transaction, queue: QueueRow, run: ReadyRun): void {
  insert(tx, queue.id, run);
  queue.ready += run.last - run.first + 1;
  queue.isChanged = true;
}

/** Removes all messages of a rank up to `seq` of `run`. The rest of the run stays. */
export function removeFront(tx: Transaction, queue: QueueRow, run: ReadyRun, seq: number): void {
  tx.sql('DELETE FROM ready WHERE queue_id=? AND rank=? AND (at, seq) <= (?, ?)').run(
    queue.id,
    run.rank,
    run.at,
    run.first,
  );
  if (seq < run.last) insert(tx, queue.id, { ...run, first: seq + 1 });
}

/** Removes one message. Returns false if it is not ready. */
export function removeReady(tx: Transaction, queue: QueueRow, { seq, at, priority }: ReadyKey): boolean {
  const rank = 9 - priority;
  const run = tx
    .sql<[number, number]>(
      'SELECT seq, last FROM ready WHERE queue_id=? AND rank=? AND at=? AND seq<=? ORDER BY seq DESC LIMIT 1',
    )
    .get(queue.id, rank, at, seq);
  if (run === undefined || run[1] < seq) return false;
  const [first, last] = run;
  tx.sql('DELETE FROM ready WHERE queue_id=? AND rank=? AND at=? AND seq=?').run(queue.id, rank, at, first);
  if (first < seq) insert(tx, queue.id, { rank, at, first, last: seq - 1 });
  if (seq < last) insert(tx, queue.id, { rank, at, first: seq + 1, last });
  queue.ready -= 1;
  queue.isChanged = true;
  return true;
}

function insert({ store }: Transaction, queueId: number, { rank, at, first, last }: ReadyRun): void {
  store.sql('INSERT INTO ready (queue_id, rank, at, seq, last) VALUES (?,?,?,?,?)').run(queueId, rank, at, first, last);
}
