/** The state of a pending message: a row in one of the tables `ready`, `delayed`, `blocked` and `leased`. */

import type { Transaction } from '../connection/transaction.ts';
import type { QueueRow } from './queue-row.ts';
import { addReady, type ReadyKey, removeReady } from './ready-runs.ts';

/** What determines the state of a message. */
export interface MessagePlacement {
  readonly seq: number;
  readonly at: number;
  readonly priority: number;
  readonly orderingKey: string | undefined;
}

/** Inserts a message as blocked if an earlier one has its ordering key, else as delayed or ready. */
export function insertIntoState(transaction: Transaction, queue: QueueRow, message: MessagePlacement): void {
  const { store } = transaction;
  queue.isChanged = true;
  if (message.orderingKey !== undefined && hasEarlier(transaction, queue, message.orderingKey, message.seq)) {
    store.sql('INSERT INTO blocked VALUES (?,?)').run(queue.id, message.seq);
    queue.blocked += 1;
  } else if (message.at > transaction.now) {
    delay(transaction, queue, message.seq, message.at);
  } else {
    const { seq, at, priority } = message;
    addReady(transaction, queue, { rank: 9 - priority, at, first: seq, last: seq });
  }
}

function delay(transaction: Transaction, queue: QueueRow, seq: number, due: number): void {
  const { store } = transaction;
  const earliest = store.value('SELECT due FROM delayed WHERE queue_id=? ORDER BY due LIMIT 1', queue.id);
  if (earliest === undefined || due < (earliest as number)) queue.isDueEarlier = true;
  store.sql('INSERT INTO delayed VALUES (?,?,?)').run(queue.id, due, seq);
  queue.delayed += 1;
}

function hasEarlier(transaction: Transaction, queue: QueueRow, key: string, seq: number): boolean {
  return (
    transaction.store
      .sql('SELECT 1 FROM message WHERE queue_id=? AND ordering_key=? AND seq<?')
      .get(queue.id, key, seq) !== undefined
  );
}

/** After a message with this ordering key has left the queue: unblocks the next one with the key. */
export function unblockNext(transaction: Transaction, queue: QueueRow, key: string | null): void {
  if (key === null || queue.blocked === 0) return;
  const { store } = transaction;
  const next = store
    .sql<[number, number, number]>(
      'SELECT seq, at, priority FROM message WHERE queue_id=? AND ordering_key=? ORDER BY seq LIMIT 1',
    )
    .get(queue.id, key);
  if (next === undefined) return;
  const [seq, at, priority] = next;
  if (store.sql('DELETE FROM blocked WHERE queue_id=? AND seq=?').run(queue.id, seq).changes === 0) return;
  queue.blocked -= 1;
  insertIntoState(transaction, queue, { seq, at, priority, orderingKey: undefined });
}

/** Removes a message that is not leased from its state. Returns false if it has none. */
export function removeFromState(transaction: Transaction, queue: QueueRow, message: ReadyKey): boolean {
  if (removeReady(transaction, queue, message)) return true;
  const { store } = transaction;
  const { seq, at } = message;
  queue.isChanged = true;
  if (store.sql('DELETE FROM delayed WHERE queue_id=? AND due=? AND seq=?').run(queue.id, at, seq).changes > 0) {
    queue.delayed -= 1;
    return true;
  }
  if (store.sql('DELETE FROM blocked WHERE queue_id=? AND seq=?').run(queue.id, seq).changes === 0) return false;
  queue.blocked -= 1;
  return true;
}

/** Deletes a message that was removed from its state, and unblocks the next one with its ordering key. */
export function deleteMessage(transaction: Transaction, queue: QueueRow, seq: number): void {
  const row = transaction.store.sql<[string | null]>('DELETE FROM message WHERE seq=? RETURNING ordering_key').get(seq);
  unblockNext(transaction, queue, row?.[0] ?? null);
}
