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
export function clearStep(tx: Transaction): boolean {
  return deleteQueues(tx) || deleteLog(tx) || deleteEntries(tx) || pruneDeletedQueues(tx);
}

function deleteQueues(tx: Transaction): boolean {
  const names = tx.sql<[string]>(`SELECT name FROM queue WHERE ns=? LIMIT ${STEP}`).all(tx.ns);
  for (const [name] of names) {
    const queue = tx.queue(name);
    if (queue !== undefined) deleteQueue(tx, queue);
  }
  return names.length > 0;
}

function deleteLog(tx: Transaction): boolean {
  const id = tx.value('SELECT id FROM topic WHERE ns=? LIMIT 1', tx.ns) as number | undefined;
  if (id === undefined) return false;
  const rows = tx
    .sql<[number, number]>(
      `DELETE FROM event WHERE seq IN (SELECT seq FROM event WHERE topic_id=? LIMIT ${STEP}) RETURNING seq, bytes`,
    )
    .all(id);
  const known = deleteScope(tx, -id);
  const log = loadNamespaceLog(tx.store);
  log.events -= rows.length;
  for (const [, bytes] of rows) log.bytes -= bytes;
  log.pruned = tx.counters().eventHead;
  saveNamespaceLog(tx.store, log);
  if (rows.length + known === 0) tx.sql('DELETE FROM topic WHERE id=?').run(id);
  tx.rowCount += rows.length + known;
  return true;
}
