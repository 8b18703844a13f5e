/** Operations on messages and queues. Each does a bounded step, and callers repeat it while there is more. */

import { type MessageState, type PendingResult, QUEUE_DEFAULTS, type QueueSettings } from '@busbar/api/transport';
import { MESSAGE_COLUMNS } from '../connection/schema.ts';
import type { Transaction } from '../connection/transaction.ts';
import { findSeqs, indexIds } from '../queues/dedupe.ts';
import { findLease } from '../queues/lease-runs.ts';
import { deleteMessage, insertIntoState, type MessagePlacement, removeFromState } from '../queues/message-state.ts';
import { type QueueRow, saveSettings } from '../queues/queue-row.ts';

/** Messages of one step. */
export const STEP = 500;

type PurgeableState = Exclude<MessageState, 'leased'>;

/** Creates a queue if needed, and changes the given settings. */
export function configure(tx: Transaction, name: string, settings: QueueSettings): void {
  const given = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
  const found = tx.queue(name);
  const merged = { ...(found?.settings ?? QUEUE_DEFAULTS), ...given };
  if (found === undefined) {
    tx.ensureQueue(name, merged);
    return;
  }
  found.settings = merged;
  saveSettings(tx.store, found.id, merged);
  // Wakes waiting consumers: a shorter lease needs a check sooner.
  found.isDueEarlier = true;
  found.touch(tx.now);
}

/** Requeues a step of dead letters. Returns their number. */
export function redrive(tx: Transaction, queue: QueueRow, ids: readonly string[] | undefined, limit: number): number {
  const dead = selectDead(tx, queue, ids, ids === undefined ? Math.min(limit, STEP) : limit);
  const { now } = tx;
  for (const seq of dead) {
    const fresh = takeSeq(tx);
    tx.sql(
      `INSERT INTO message (seq, queue_id, at, attempts, expires, history, ${MESSAGE_COLUMNS})
         SELECT ?, queue_id, ?, 0, CAST(? + ttl_ms AS INTEGER), history, ${MESSAGE_COLUMNS} FROM dead WHERE seq=?`,
    ).run(fresh, now, now, seq);
    const [id, priority, key] = tx
      .sql<[string, number, string | null]>('DELETE FROM dead WHERE seq=? RETURNING id, priority, ordering_key')
      .get(seq) as [string, number, string | null];
    indexIds(tx, { scope: queue.id, ids: [id], first: fresh });
    insertIntoState(tx, queue, { seq: fresh, at: now, priority, orderingKey: key ?? undefined });
  }
  queue.dead -= dead.length;
  tx.rowCount += dead.length;
  return dead.length;
}

/** Deletes a step of messages of one state. Returns their number. */
export function purge(
  tx: Transaction,
  queue: QueueRow,
  state: PurgeableState,
  ids: readonly string[] | undefined,
): number {
  const count = state === 'dead' ? purgeDead(tx, queue, ids) : purgePending(tx, queue, state, ids);
  queue.isChanged = true;
  tx.rowCount += count;
  return count;
}

/** Deletes messages that no consumer has received. */
export function cancel(tx: Transaction, queue: QueueRow | undefined, ids: readonly string[]): PendingResult[] {
  return changePending(tx, queue, ids, (found, { seq }) => deleteMessage(tx, found, seq));
}

/** Delays messages that no consumer has received. Without a delay they go behind the ready messages of their priority. */
export function reschedule(
  tx: Transaction,
  queue: QueueRow | undefined,
  ids: readonly string[],
  delayMs: number,
): PendingResult[] {
  const at = delayMs > 0 ? Math.ceil(tx.now + delayMs) : tx.now;
  return changePending(tx, queue, ids, (found, message, id) => {
    const seq = at > tx.now || message.orderingKey !== undefined ? message.seq : takeSeq(tx);
    tx.sql('UPDATE message SET at=?, seq=? WHERE seq=?').run(at, seq, message.seq);
    if (seq !== message.seq) indexIds(tx, { scope: found.id, ids: [id], first: seq });
    insertIntoState(tx, found, { ...message, at, seq });
  });
}

/** The number of a new message: the highest. */
function takeSeq(tx: Transaction): number {
  const counters = tx.counters();
  counters.messageHead += 1;
  return counters.messageHead;
}

/** Deletes a queue and returns true. Its rows are pruned later. */
export function deleteQueue(tx: Transaction, queue: QueueRow): true {
  if (tx.sql('DELETE FROM binding WHERE queue_id=?').run(queue.id).changes > 0) tx.counters().bindings += 1;
  tx.sql('UPDATE queue SET ns=NULL, name=NULL, expire_idle_ms=NULL, ready=0 WHERE id=?').run(queue.id);
  tx.forgetQueue(queue);
  return true;
}

/** Deletes all queues of the namespace, in one step. */
export function deleteQueues(tx: Transaction): void {
  if (tx.sql('DELETE FROM binding WHERE ns=?').run(tx.ns).changes > 0) tx.counters().bindings += 1;
  tx.sql('UPDATE queue SET ns=NULL, name=NULL, expire_idle_ms=NULL, ready=0 WHERE ns=?').run(tx.ns);
  tx.forgetQueues();
}

/** Removes messages from their state and applies `change` to each: all with these ids. Returns one result per id. */
function changePending(
  tx: Transaction,
  queue: QueueRow | undefined,
  ids: readonly string[],
  change: (queue: QueueRow, message: MessagePlacement, id: string) => void,
): PendingResult[] {
  return ids.map((id) => {
    if (queue === undefined) return { id, status: 'not-found' };
    const seqs = findSeqs(tx, queue.id, id);
    const pending = findPending(tx, seqs);
    for (const message of pending) {
      removeFromState(tx, queue, message);
      change(queue, message, id);
      tx.rowCount += 1;
    }
    if (pending.length > 0) return { id, status: 'done' };
    const isStarted = seqs.length > 0 || tx.exists('SELECT 1 FROM dead WHERE queue_id=? AND id=?', queue.id, id);
    return { id, status: isStarted ? 'started' : 'not-found' };
  });
}

/** Those of these messages that are not leased. */
function findPending(tx: Transaction, seqs: readonly number[]): MessagePlacement[] {
  return seqs
    .filter((seq) => findLease(tx, seq) === undefined)
    .map((seq) => {
      const [at, priority, orderingKey] = tx
        .sql<[number, number, string | null]>('SELECT at, priority, ordering_key FROM message WHERE seq=?')
        .get(seq) as [number, number, string | null];
      return { seq, at, priority, orderingKey: orderingKey ?? undefined };
    });
}

function selectDead(tx: Transaction, queue: QueueRow, ids: readonly string[] | undefined, limit: number): number[] {
  const rows =
    ids === undefined
      ? tx.sql<[number]>('SELECT seq FROM dead WHERE queue_id=? ORDER BY seq LIMIT ?').all(queue.id, limit)
      : tx
          .sql<[number]>(
            'SELECT seq FROM dead WHERE queue_id=? AND id IN (SELECT value FROM json_each(?)) ORDER BY seq LIMIT ?',
          )
          .all(queue.id, JSON.stringify(ids), limit);
  return rows.map(([seq]) => seq);
}

function purgeDead(tx: Transaction, queue: QueueRow, ids: readonly string[] | undefined): number {
  const dead = selectDead(tx, queue, ids, STEP);
  for (const seq of dead) tx.sql('DELETE FROM dead WHERE seq=?').run(seq);
  queue.dead -= dead.length;
  return dead.length;
}

function purgePending(
  tx: Transaction,
  queue: QueueRow,
  state: 'ready' | 'delayed',
  ids: readonly string[] | undefined,
): number {
  const found = ids === undefined ? selectPending(tx, queue, state) : findAllPending(tx, queue, state, ids);
  for (const message of found) {
    removeFromState(tx, queue, message);
    deleteMessage(tx, queue, message.seq);
  }
  return found.length;
}

function selectPending(tx: Transaction, queue: QueueRow, state: 'ready' | 'delayed'): MessagePlacement[] {
  const { now } = tx;
  const select = (from: string, condition: string): MessagePlacement[] =>
    tx
      .sql<[number, number, number, string | null]>(
        `SELECT message.seq, message.at, priority, ordering_key FROM ${from} WHERE ${condition} LIMIT ${STEP}`,
      )
      .all({ queue: queue.id, now })
      .map(([seq, at, priority, key]) => ({ seq, at, priority, orderingKey: key ?? undefined }));
  const due = state === 'ready' ? '<=' : '>';
  const delayed = select('delayed CROSS JOIN message USING (seq)', `delayed.queue_id=@queue AND due ${due} @now`);
  if (delayed.length > 0) return delayed;
  // A blocked message counts as ready or delayed by its own due time.
  const blocked = select('blocked CROSS JOIN message USING (seq)', `blocked.queue_id=@queue AND at ${due} @now`);
  if (blocked.length > 0 || state === 'delayed') return blocked;
  return select(
    'ready CROSS JOIN message ON message.seq BETWEEN ready.seq AND ready.last',
    'ready.queue_id=@queue AND @now > 0',
  );
}

function findAllPending(
  tx: Transaction,
  queue: QueueRow,
  state: 'ready' | 'delayed',
  ids: readonly string[],
): MessagePlacement[] {
  const seqs = [...new Set(ids)].flatMap((id) => findSeqs(tx, queue.id, id));
  return findPending(tx, seqs).filter(({ at }) => at > tx.now === (state === 'delayed'));
}
