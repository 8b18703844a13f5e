/** What comes due though nobody calls, of all namespaces: delays, leases, times to live, history that is being copied. */

import { IS_LEASED } from '../connection/schema.ts';
import type { Store } from '../connection/store.ts';
import type { Transaction } from '../connection/transaction.ts';
import { expireEntries } from '../kv/kv.ts';
import { copyHistory } from '../topics/backfill.ts';
import { expireJobs } from './expired-messages.ts';
import { promoteDue } from './promote-delayed.ts';
import { requeueExpired } from './rescuer.ts';

/** Delayed messages that one step looks at. */
const STEP = 500;

/** Whether something has come due: a look without the lock of the writers. */
export function isSomethingDue(store: Store): boolean {
  const found = store
    .sql(
      `SELECT 1 WHERE EXISTS (SELECT 1 FROM delayed WHERE due<=@now) OR EXISTS (SELECT 1 FROM leased WHERE until<=@now)
        OR EXISTS (SELECT 1 FROM job WHERE expires IS NOT NULL AND expires<=@now AND NOT ${IS_LEASED})
        OR EXISTS (SELECT 1 FROM entry WHERE expires IS NOT NULL AND expires<=@now)
        OR EXISTS (SELECT 1 FROM queue WHERE copying > 0)`,
    )
    .get({ now: store.clock.now() });
  return found !== undefined;
}

/** When the next delay or lease ends. */
export function nextForQueues(store: Store): number {
  return Math.min(least(store, 'SELECT min(due) FROM delayed'), least(store, 'SELECT min(until) FROM leased'));
}

/** When the next entry's time to live ends. */
export function nextForEntries(store: Store): number {
  return least(store, 'SELECT min(expires) FROM entry WHERE expires IS NOT NULL');
}

/** Does a step of everything that has come due. True when there is more. */
export function bringForward(transaction: Transaction): boolean {
  const isMore = [
    promoteAll(transaction),
    requeueExpired(transaction),
    expireJobs(transaction),
    expireEntries(transaction),
    copyOne(transaction),
  ];
  return isMore.includes(true);
}

function least(store: Store, query: string): number {
  return (store.value(query) as number | null) ?? Number.POSITIVE_INFINITY;
}

function promoteAll(transaction: Transaction): boolean {
  const { store, now } = transaction;
  const ids = store
    .sql<[number]>(
      `SELECT DISTINCT queue_id FROM (SELECT queue_id FROM delayed WHERE due<=? ORDER BY due LIMIT ${STEP})`,
    )
    .all(now);
  let isMore = false;
  for (const [id] of ids) {
    const queue = transaction.queueById(id);
    if (queue !== undefined && promoteDue(transaction, queue)) isMore = true;
  }
  return isMore;
}

function copyOne(transaction: Transaction): boolean {
  const { store } = transaction;
  const id = store.value('SELECT id FROM queue WHERE copying > 0 LIMIT 1') as number | undefined;
  const queue = id === undefined ? undefined : transaction.queueById(id);
  if (queue === undefined) return false;
  copyHistory(transaction, queue);
  return true;
}
