/** Emptying a namespace, step by step. Revisions go on where they were. */

import type { Transaction } from '../connection/transaction.ts';
import { deleteEntries } from '../kv/kv.ts';
import { sweepGoneQueues } from '../maintenance/deleted-queues.ts';
import { forgetScope } from '../queues/dedupe.ts';
import { loadSpace, saveSpace } from '../topics/event-log.ts';
import { deleteQueue, STEP } from './operate.ts';

/** Deletes a step of everything in the namespace. True when there is more. */
export function clearStep(transaction: Transaction): boolean {
  return (
    deleteQueues(transaction) || deleteLog(transaction) || deleteEntries(transaction) || sweepGoneQueues(transaction)
  );
}

function deleteQueues(transaction: Transaction): boolean {
  const { store } = transaction;
  const names = store.sql<[string]>(`SELECT name FROM queue WHERE ns=? LIMIT ${STEP}`).all(store.ns);
  for (const [name] of names) {
    const queue = transaction.queue(name);
    if (queue !== undefined) deleteQueue(transaction, queue);
  }
  return names.length > 0;
}

function deleteLog(transaction: Transaction): boolean {
  const { store } = transaction;
  const id = store.value('SELECT id FROM topic WHERE ns=? LIMIT 1', store.ns) as number | undefined;
  if (id === undefined) return false;
  const rows = store
    .sql<[number, number]>(
      `DELETE FROM log WHERE seq IN (SELECT seq FROM log WHERE topic_id=? LIMIT ${STEP}) RETURNING seq, bytes`,
    )
    .all(id);
  const known = forgetScope(transaction, -id);
  const space = loadSpace(store);
  space.events -= rows.length;
  for (const [, bytes] of rows) space.bytes -= bytes;
  space.trimmed = transaction.counter().logHead;
  saveSpace(store, space);
  if (rows.length + known === 0) store.sql('DELETE FROM topic WHERE id=?').run(id);
  transaction.work += rows.length + known;
  return true;
}
