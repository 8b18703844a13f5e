/** What deleted queues have left behind: a queue is gone at once, its messages step by step. */

import type { Transaction } from '../connection/transaction.ts';
import { forgetScope } from '../queues/dedupe.ts';

/** Rows of one step, about, and queues that it looks at. */
const STEP = 500;
const QUEUES = 100;

/** Removes a step of what deleted queues have left behind. True when there is more. */
export function sweepGoneQueues(transaction: Transaction): boolean {
  const { store } = transaction;
  const gone = store.sql<[number]>(`SELECT id FROM queue WHERE ns IS NULL LIMIT ${QUEUES}`).all();
  let removed = 0;
  for (const [id] of gone) {
    const count = removeStep(transaction, id);
    removed += count + 1;
    if (count === 0) store.sql('DELETE FROM queue WHERE id=?').run(id);
    if (removed >= STEP) break;
  }
  transaction.work += removed;
  return gone.length > 0;
}

function removeStep(transaction: Transaction, id: number): number {
  const runs = removeRuns(transaction, id, 'ready') + removeRuns(transaction, id, 'leased');
  const singles = removeSingles(transaction, id, 'delayed') + removeSingles(transaction, id, 'blocked');
  const dead = transaction.store
    .sql(`DELETE FROM dead WHERE seq IN (SELECT seq FROM dead WHERE queue_id=? LIMIT ${STEP})`)
    .run(id).changes;
  return runs + singles + dead + forgetScope(transaction, id);
}

/** A run has at most as many messages as one send stores in a step, or one claim leases. */
function removeRuns({ store }: Transaction, id: number, table: 'ready' | 'leased'): number {
  const run = store.sql<[number, number]>(`SELECT seq, last FROM ${table} WHERE queue_id=? LIMIT 1`).get(id);
  if (run === undefined) return 0;
  store.sql(`DELETE FROM ${table} WHERE queue_id=? AND seq=?`).run(id, run[0]);
  return store.sql('DELETE FROM job WHERE seq BETWEEN ? AND ?').run(...run).changes;
}

function removeSingles({ store }: Transaction, id: number, table: 'delayed' | 'blocked'): number {
  const seqs = store.sql<[number]>(`SELECT seq FROM ${table} WHERE queue_id=? LIMIT ${STEP}`).all(id);
  for (const [seq] of seqs) store.sql('DELETE FROM job WHERE seq=?').run(seq);
  const list = JSON.stringify(seqs.map(([seq]) => seq));
  store.sql(`DELETE FROM ${table} WHERE queue_id=? AND seq IN (SELECT value FROM json_each(?))`).run(id, list);
  return seqs.length;
}
