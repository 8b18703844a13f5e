/** What deleted queues have left behind: a queue is gone at once, its messages step by step. */

import type { Transaction } from './transaction.ts';

/** Rows of one step. */
const STEP = 500;

/** Removes a step of what a deleted queue has left behind. True when there may be more. */
export function sweepGoneQueues(transaction: Transaction): boolean {
  const { store } = transaction;
  const id = store.value('SELECT id FROM queue WHERE ns IS NULL LIMIT 1') as number | undefined;
  if (id === undefined) return false;
  let removed = 0;
  for (const table of ['ready', 'delayed', 'blocked', 'leased']) {
    const seqs = store.sql<[number]>(`SELECT seq FROM ${table} WHERE queue_id=? LIMIT ${STEP}`).all(id);
    for (const [seq] of seqs) store.sql('DELETE FROM job WHERE seq=?').run(seq);
    const list = JSON.stringify(seqs.map(([seq]) => seq));
    store.sql(`DELETE FROM ${table} WHERE queue_id=? AND seq IN (SELECT value FROM json_each(?))`).run(id, list);
    removed += seqs.length;
  }
  removed += store
    .sql(`DELETE FROM dead WHERE seq IN (SELECT seq FROM dead WHERE queue_id=? LIMIT ${STEP})`)
    .run(id).changes;
  removed += store
    .sql(`DELETE FROM dedupe WHERE scope=? AND id IN (SELECT id FROM dedupe WHERE scope=? LIMIT ${STEP})`)
    .run(id, id).changes;
  if (removed === 0) store.sql('DELETE FROM queue WHERE id=?').run(id);
  return true;
}
