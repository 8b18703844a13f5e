/** Leases: runs of messages that were claimed together. A run is split as its messages are settled. */

import type { Transaction } from '../connection/transaction.ts';

/** Consecutive messages leased by one claim. */
export interface LeaseRun {
  readonly first: number;
  readonly last: number;
  readonly queueId: number;
  readonly until: number;
  readonly token: number;
  readonly consumer: string | null;
}

const SELECT = 'SELECT seq, last, queue_id, until, token, consumer FROM leased';

type Raw = readonly [number, number, number, number, number, string | null];

export function addLease({ store }: Transaction, run: LeaseRun): void {
  store
    .sql('INSERT INTO leased (seq, last, queue_id, until, token, consumer) VALUES (?,?,?,?,?,?)')
    .run(run.first, run.last, run.queueId, run.until, run.token, run.consumer);
}

/** The lease of message `seq`. */
export function findLease({ store }: Transaction, seq: number): LeaseRun | undefined {
  const raw = store.sql<Raw>(`${SELECT} WHERE seq<=? ORDER BY seq DESC LIMIT 1`).get(seq);
  return raw === undefined || raw[1] < seq ? undefined : toRun(raw);
}

/** Leases that have ended, the earliest first. */
export function findExpiredRuns({ store, now }: Transaction, limit: number): LeaseRun[] {
  return store.sql<Raw>(`${SELECT} WHERE until<=? ORDER BY until LIMIT ?`).all(now, limit).map(toRun);
}

/** Removes messages `from` to `to` from a run. */
export function removeFromRun(tx: Transaction, run: LeaseRun, from: number, to: number): void {
  const { first, last } = run;
  if (from === first && to === last) tx.sql('DELETE FROM leased WHERE seq=?').run(first);
  else if (from === first) tx.sql('UPDATE leased SET seq=? WHERE seq=?').run(to + 1, first);
  else {
    tx.sql('UPDATE leased SET last=? WHERE seq=?').run(from - 1, first);
    if (to < last) addLease(tx, { ...run, first: to + 1 });
  }
}

function toRun([first, last, queueId, until, token, consumer]: Raw): LeaseRun {
  return { first, last, queueId, until, token, consumer };
}
