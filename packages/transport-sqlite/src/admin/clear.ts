/** Clears a namespace step by step. Revisions keep rising. */

import { newId } from '@busbar/api/transport';
import type { Transaction } from '../connection/transaction.ts';
import { deleteEntries } from '../kv/kv.ts';
import { pruneDeletedQueues } from '../maintenance/pruner.ts';
import { deleteScope } from '../queues/dedupe.ts';
import { loadNamespaceLog, saveNamespaceLog } from '../topics/event-log.ts';
import { deleteQueues, STEP } from './operate.ts';

/** Up to where a namespace is cleared: what comes later stays. */
export interface ClearRange {
  readonly revision: number;
  readonly event: number;
}

/**
 * Deletes all queues, and gives the namespace a new incarnation: from now on live buses declare again what they own, and
 * that must stay.
 */
export function beginClear(tx: Transaction): ClearRange {
  const counters = tx.counters();
  tx.sql(
    'INSERT INTO namespace (ns, incarnation) VALUES (?,?) ON CONFLICT (ns) DO UPDATE SET incarnation=excluded.incarnation',
  ).run(tx.ns, newId());
  deleteQueues(tx);
  return { revision: counters.revision, event: counters.eventHead };
}

/** Deletes a step of the events and entries of a range, and of the rows of deleted queues. Returns true when there is more. */
export function clearStep(tx: Transaction, { revision, event }: ClearRange): boolean {
  return deleteLog(tx, event) || deleteEntries(tx, revision) || pruneDeletedQueues(tx);
}

/** The topics that have no later event are deleted as well. */
function deleteLog(tx: Transaction, upTo: number): boolean {
  const id = tx.value(
    `SELECT id FROM topic WHERE ns=? AND (
       NOT EXISTS (SELECT 1 FROM event WHERE topic_id=topic.id AND seq > ?)
       OR EXISTS (SELECT 1 FROM event WHERE topic_id=topic.id AND seq <= ?)) LIMIT 1`,
    tx.ns,
    upTo,
    upTo,
  ) as number | undefined;
  if (id === undefined) return false;
  const rows = tx
    .sql<[number, number]>(
      `DELETE FROM event WHERE seq IN (SELECT seq FROM event WHERE topic_id=? AND seq<=? LIMIT ${STEP}) RETURNING seq, bytes`,
    )
    .all(id, upTo);
  const known = deleteScope(tx, -id, upTo);
  const log = loadNamespaceLog(tx.store);
  log.events -= rows.length;
  for (const [, bytes] of rows) log.bytes -= bytes;
  log.pruned = Math.max(log.pruned, upTo);
  saveNamespaceLog(tx.store, log);
  tx.sql('UPDATE topic SET events = events - ? WHERE id=?').run(rows.length, id);
  if (rows.length + known === 0) tx.sql('DELETE FROM topic WHERE id=?').run(id);
  tx.rowCount += rows.length + known;
  return true;
}
