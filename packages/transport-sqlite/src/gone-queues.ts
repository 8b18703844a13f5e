/** What deleted queues have left behind: a queue is gone at once, its messages step by step. */

import { forgetScope } from './dedupe.ts';
import type { Transaction } from './transaction.ts';

/** Rows of one step. */
const STEP = 500;

/** Removes a step of what a deleted queue has left behind. True when there may be more. */
export function sweepGoneQueues(transaction: Transaction): boolean {
  const { store } = transaction;
  const id = store.value('SELECT id FROM queue WHERE ns IS NULL LIMIT 1') as number | undefined;
  if (id === undefined) return false;
  let removed = removeRuns(transaction, id, 'ready') + removeRuns(transaction, id, 'leased');
  removed += removeSingles(transaction, id, 'delayed') + removeSingles(transaction, id, 'blocked');
  removed += store
    .sql(`DELETE FROM dead WHERE seq IN (SELECT seq FROM dead WHERE queue_id=? LIMIT ${STEP})`)
    .run(id).changes;
  removed += forgetScope(transaction, id);
  if (removed === 0) store.sql('DELETE FROM queue WHERE id=?').run(id);
  return true;
}

/** A run has at most as many messages as one send stores in a step, or one claim leases. */
function removeRuns({ store }: Transaction, id: number, table: 'ready' | 'leased'): number {
  const run = store.sql<[number, number]>(`SELECT seq, last FROM ${table} WHERE queue_id=? LIMIT 1`).get(id);
  if (run === undefined) return 0;
  store.sql('DELETE FROM job WHERE seq BETWEEN ? AND ?').run(...run);
  return store.sql(`DELETE FROM ${table} WHERE queue_id=? AND seq=?`).run(id, run[0]).changes;
}

function removeSingles({ store }: Transaction, id: number, table: 'delayed' | 'blocked'): number {
  const seqs = store.sql<[number]>(`SELECT seq FROM ${table} WHERE queue_id=? LIMIT ${STEP}`).all(id);
  for (const [seq] of seqs) store.sql('DELETE FROM job WHERE seq=?').run(seq);
  const list = JSON.stringify(seqs.map(([seq]) => seq));
  store.sql(`DELETE FROM ${table} WHERE queue_id=? AND seq IN (SELECT value FROM json_each(?))`).run(id, list);
  return seqs.length;
}
