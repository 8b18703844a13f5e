/** The state of a pending message: a row in one of the tables `ready`, `delayed`, `blocked` and `leased`. */

import { LIMITED_DUE } from '../connection/schema.ts';
import type { Transaction } from '../connection/transaction.ts';
import type { QueueRow } from './queue-row.ts';
import { addReady, type ReadyKey, removeReady } from './ready-runs.ts';

/** What determines the state of a message. */
export interface MessagePlacement extends ReadyKey {
  readonly orderingKey: string | undefined;
}

/** Inserts a message as blocked if an earlier one has its ordering key, else as delayed or ready. */
export function insertIntoState(tx: Transaction, queue: QueueRow, message: MessagePlacement): void {
  queue.isChanged = true;
  if (message.orderingKey !== undefined && hasEarlier(tx, queue, message.orderingKey, message.seq)) {
    tx.sql('INSERT INTO blocked VALUES (?,?)').run(queue.id, message.seq);
    queue.blocked += 1;
  } else if (message.at > tx.now) {
    delay(tx, queue, message.seq);
  } else {
    const { seq, at, priority } = message;
    addReady(tx, queue, { rank: 9 - priority, at, first: seq, last: seq });
  }
}

const FIND_LIMITED_DUE = `SELECT ${LIMITED_DUE} FROM message WHERE seq=?`;
const REMOVE_DELAYED = `DELETE FROM delayed WHERE queue_id=? AND seq=? AND due IN (?,
  (SELECT CAST(expires AS INTEGER) FROM message WHERE message.seq=delayed.seq AND ordering_key IS NOT NULL))`;

function delay(tx: Transaction, queue: QueueRow, seq: number): void {
  const due = tx.value(FIND_LIMITED_DUE, seq) as number;
  const earliest = tx.value('SELECT due FROM delayed WHERE queue_id=? ORDER BY due LIMIT 1', queue.id);
  if (earliest === undefined || due < (earliest as number)) queue.isDueEarlier = true;
  tx.sql('INSERT INTO delayed VALUES (?,?,?)').run(queue.id, due, seq);
  queue.delayed += 1;
}

function hasEarlier(tx: Transaction, queue: QueueRow, key: string, seq: number): boolean {
  return tx.exists('SELECT 1 FROM message WHERE queue_id=? AND ordering_key=? AND seq<?', queue.id, key, seq);
}

/** After a message with this ordering key has left the queue: unblocks the next one with the key. */
export function unblockNext(tx: Transaction, queue: QueueRow, key: string | null): void {
  if (key === null || queue.blocked === 0) return;
  const next = tx
    .sql<[number, number, number]>(
      'SELECT seq, at, priority FROM message WHERE queue_id=? AND ordering_key=? ORDER BY seq LIMIT 1',
    )
    .get(queue.id, key);
  if (next === undefined) return;
  const [seq, at, priority] = next;
  if (tx.sql('DELETE FROM blocked WHERE queue_id=? AND seq=?').run(queue.id, seq).changes === 0) return;
  queue.blocked -= 1;
  insertIntoState(tx, queue, { seq, at, priority, orderingKey: undefined });
}

/** Removes a message that is not leased from its state. Returns false if it has none. */
export function removeFromState(tx: Transaction, queue: QueueRow, message: ReadyKey): boolean {
  if (removeReady(tx, queue, message)) return true;
  const { seq, at } = message;
  queue.isChanged = true;
  if (tx.sql(REMOVE_DELAYED).run(queue.id, seq, at).changes > 0) {
    queue.delayed -= 1;
    return true;
  }
  if (tx.sql('DELETE FROM blocked WHERE queue_id=? AND seq=?').run(queue.id, seq).changes === 0) return false;
  queue.blocked -= 1;
  return true;
}

/** Deletes a message that was removed from its state, and unblocks the next one with its ordering key. */
export function deleteMessage(tx: Transaction, queue: QueueRow, seq: number): void {
  const row = tx.sql<[string | null]>('DELETE FROM message WHERE seq=? RETURNING ordering_key').get(seq);
  unblockNext(tx, queue, row?.[0] ?? null);
}
