/** What operators do to messages and queues. Each does a bounded step; callers go on while there is more. */

import { type MessageState, type PendingResult, QUEUE_DEFAULTS, type QueueSettings } from '@busbar/api/transport';
import { CONTENT } from '../connection/schema.ts';
import type { Transaction } from '../connection/transaction.ts';
import { knownSeq, note } from '../queues/dedupe.ts';
import { findLease } from '../queues/lease-runs.ts';
import { displace, place, removeJob } from '../queues/messages.ts';
import { type QueueRow, saveSettings } from '../queues/queue-row.ts';

/** Messages of one step. */
export const STEP = 500;

type Removable = Exclude<MessageState, 'leased'>;

/** Creates a queue where it is not there, and sets the given settings. */
export function configure(transaction: Transaction, name: string, settings: QueueSettings): void {
  const given = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
  const found = transaction.queue(name);
  const merged = { ...(found?.settings ?? QUEUE_DEFAULTS), ...given };
  if (found === undefined) {
    transaction.ensureQueue(name, merged);
    return;
  }
  found.settings = merged;
  saveSettings(transaction.store, found.id, merged);
  // Whoever waits looks anew: a shorter lease is to be watched more often.
  found.hasEarlierDue = true;
  found.use(transaction.now);
}

/** Puts a step of dead letters back. How many. */
export function redrive(
  transaction: Transaction,
  queue: QueueRow,
  ids: readonly string[] | undefined,
  limit: number,
): number {
  const dead = selectDead(transaction, queue, ids, Math.min(limit, STEP));
  const { store, now } = transaction;
  const counter = transaction.counter();
  for (const seq of dead) {
    counter.jobHead += 1;
    const fresh = counter.jobHead;
    store
      .sql(
        `INSERT INTO job (seq, queue_id, at, attempts, expires, history, ${CONTENT})
         SELECT ?, queue_id, ?, 0, CAST(? + ttl_ms AS INTEGER), history, ${CONTENT} FROM dead WHERE seq=?`,
      )
      .run(fresh, now, now, seq);
    const [id, priority, key] = store
      .sql<[string, number, string | null]>('DELETE FROM dead WHERE seq=? RETURNING id, priority, ordering_key')
      .get(seq) as [string, number, string | null];
    note(transaction, { scope: queue.id, ids: [id], first: fresh });
    place(transaction, queue, { seq: fresh, at: now, priority, orderingKey: key ?? undefined });
  }
  queue.dead -= dead.length;
  transaction.work += dead.length;
  return dead.length;
}

/** Discards a step of messages of one state. How many, and whether there are more. */
export function purge(
  transaction: Transaction,
  queue: QueueRow,
  state: Removable,
  ids: readonly string[] | undefined,
): number {
  const count = state === 'dead' ? purgeDead(transaction, queue, ids) : purgePending(transaction, queue, state, ids);
  queue.isChanged = true;
  transaction.work += count;
  return count;
}

/** Takes messages back that were not started. */
export function cancel(transaction: Transaction, queue: QueueRow | undefined, ids: readonly string[]): PendingResult[] {
  return ids.map((id) => {
    const found = queue && locate(transaction, queue, id);
    if (queue === undefined || found === undefined || found === 'started') return { id, status: absent(found) };
    displace(transaction, queue, found);
    removeJob(transaction, queue, found.seq);
    transaction.work += 1;
    return { id, status: 'done' };
  });
}

/** Sets when messages that were not started come due. */
export function reschedule(
  transaction: Transaction,
  queue: QueueRow | undefined,
  ids: readonly string[],
  delayMs: number,
): PendingResult[] {
  const at = delayMs > 0 ? Math.ceil(transaction.now + delayMs) : transaction.now;
  return ids.map((id) => {
    const found = queue && locate(transaction, queue, id);
    if (queue === undefined || found === undefined || found === 'started') return { id, status: absent(found) };
    displace(transaction, queue, found);
    transaction.store.sql('UPDATE job SET at=? WHERE seq=?').run(at, found.seq);
    place(transaction, queue, { ...found, at });
    transaction.work += 1;
    return { id, status: 'done' };
  });
}

/** Deletes a queue: it is gone at once, what was in it is swept later. */
export function deleteQueue(transaction: Transaction, queue: QueueRow): void {
  const { store } = transaction;
  if (store.sql('DELETE FROM binding WHERE queue_id=?').run(queue.id).changes > 0) transaction.counter().bindings += 1;
  store.sql('UPDATE queue SET ns=NULL, name=NULL, expire_idle_ms=NULL, ready=0 WHERE id=?').run(queue.id);
  transaction.forgetQueue(queue);
}

interface Located {
  readonly seq: number;
  readonly at: number;
  readonly priority: number;
  readonly orderingKey: string | undefined;
}

/** Where a message is, by its id: `started` when a consumer has it or it is dead. */
function locate(transaction: Transaction, queue: QueueRow, id: string): Located | 'started' | undefined {
  const { store } = transaction;
  const known = knownSeq(transaction, queue.id, id);
  const job =
    known === undefined
      ? undefined
      : store
          .sql<[number, number, string | null]>(
            'SELECT at, priority, ordering_key FROM job WHERE seq=? AND queue_id=? AND id=?',
          )
          .get(known, queue.id, id);
  if (known === undefined || job === undefined) {
    return store.value('SELECT 1 FROM dead WHERE queue_id=? AND id=?', queue.id, id) === undefined
      ? undefined
      : 'started';
  }
  if (findLease(transaction, known) !== undefined) return 'started';
  const [at, priority, orderingKey] = job;
  return { seq: known, at, priority, orderingKey: orderingKey ?? undefined };
}

function absent(found: unknown): 'started' | 'not-found' {
  return found === 'started' ? 'started' : 'not-found';
}

function selectDead(
  transaction: Transaction,
  queue: QueueRow,
  ids: readonly string[] | undefined,
  limit: number,
): number[] {
  const { store } = transaction;
  const rows =
    ids === undefined
      ? store.sql<[number]>('SELECT seq FROM dead WHERE queue_id=? ORDER BY seq LIMIT ?').all(queue.id, limit)
      : store
          .sql<[number]>(
            'SELECT seq FROM dead WHERE queue_id=? AND id IN (SELECT value FROM json_each(?)) ORDER BY seq LIMIT ?',
          )
          .all(queue.id, JSON.stringify(ids), limit);
  return rows.map(([seq]) => seq);
}

function purgeDead(transaction: Transaction, queue: QueueRow, ids: readonly string[] | undefined): number {
  const dead = selectDead(transaction, queue, ids, STEP);
  for (const seq of dead) transaction.store.sql('DELETE FROM dead WHERE seq=?').run(seq);
  queue.dead -= dead.length;
  return dead.length;
}

function purgePending(
  transaction: Transaction,
  queue: QueueRow,
  state: 'ready' | 'delayed',
  ids: readonly string[] | undefined,
): number {
  const found =
    ids === undefined ? selectPending(transaction, queue, state) : locateAll(transaction, queue, state, ids);
  for (const message of found) {
    displace(transaction, queue, message);
    removeJob(transaction, queue, message.seq);
  }
  return found.length;
}

function selectPending(transaction: Transaction, queue: QueueRow, state: 'ready' | 'delayed'): Located[] {
  const { store, now } = transaction;
  const select = (from: string, condition: string): Located[] =>
    store
      .sql<[number, number, number, string | null]>(
        `SELECT job.seq, job.at, priority, ordering_key FROM ${from} WHERE ${condition} LIMIT ${STEP}`,
      )
      .all({ queue: queue.id, now })
      .map(([seq, at, priority, key]) => ({ seq, at, priority, orderingKey: key ?? undefined }));
  const due = state === 'ready' ? '<=' : '>';
  const delayed = select('delayed CROSS JOIN job USING (seq)', `delayed.queue_id=@queue AND due ${due} @now`);
  if (delayed.length > 0) return delayed;
  // What stands behind another of its ordering key is ready or delayed by its own time.
  const blocked = select('blocked CROSS JOIN job USING (seq)', `blocked.queue_id=@queue AND at ${due} @now`);
  if (blocked.length > 0 || state === 'delayed') return blocked;
  return select(
    'ready CROSS JOIN job ON job.seq BETWEEN ready.seq AND ready.last',
    'ready.queue_id=@queue AND @now > 0',
  );
}

function locateAll(
  transaction: Transaction,
  queue: QueueRow,
  state: 'ready' | 'delayed',
  ids: readonly string[],
): Located[] {
  const located: Located[] = [];
  for (const id of new Set(ids)) {
    const found = locate(transaction, queue, id);
    if (found === undefined || found === 'started') continue;
    if (found.at > transaction.now === (state === 'delayed')) located.push(found);
  }
  return located;
}
