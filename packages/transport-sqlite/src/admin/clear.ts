/** Clears a namespace step by step. Revisions keep rising. */

import { newId } from '@busbar/api/transport';
import type { Transaction } from '../connection/transaction.ts';
import { deleteEntries } from '../kv/kv.ts';
import { pruneDeletedQueues } from '../maintenance/pruner.ts';
import { deleteScope } from '../queues/dedupe.ts';
import { loadNamespaceLog, saveNamespaceLog } from '../topics/event-log.ts';
import { deleteQueue, STEP } from './operate.ts';

/** Gives the store a new incarnation, since a namespace of it is cleared. */
export function renewIncarnation({ store }: Transaction): void {
  store.sql('UPDATE store SET incarnation=?').run(newId());
}

/** Deletes a step of everything in the namespace. Returns true when there is more. */
export function clearStep(transaction: Transaction): boolean {
  return (
    deleteQueues(transaction) || deleteLog(transaction) || deleteEntries(transaction) || pruneDeletedQueues(transaction)
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
      `DELETE FROM event WHERE seq IN (SELECT seq FROM event WHERE topic_id=? LIMIT ${STEP}) RETURNING seq, bytes`,
    )
    .all(id);
  const known = deleteScope(transaction, -id);
  const log = loadNamespaceLog(store);
  log.events -= rows.length;
  for (const [, bytes] of rows) log.bytes -= bytes;
  log.pruned = transaction.counters().eventHead;
  saveNamespaceLog(store, log);
  if (rows.length + known === 0) store.sql('DELETE FROM topic WHERE id=?').run(id);
  transaction.rowCount += rows.length + known;
  return true;
}
