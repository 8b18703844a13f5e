/** Ephemeral events on their way to other processes: rows that live for seconds. */

import type { PreparedMessage } from '@busbar/api/driver';
import type { TopicEvent } from '@busbar/api/transport';
import { CONTENT } from '../connection/schema.ts';
import type { Transaction } from '../connection/transaction.ts';
import { CONTENT_COLUMNS, pushContent, readContent } from '../queues/stored-message.ts';

/** Rows that are kept at most, of whatever namespace. */
const MAX_ROWS = 10_000;
/** Events that one read brings. */
const STEP = 500;

const INSERT = `INSERT INTO ephemeral (seq, ns, process, at, log_head, ${CONTENT}) VALUES (${Array(5 + CONTENT_COLUMNS)
  .fill('?')
  .join(',')})`;

/** An ephemeral event, and the event of the log it came after. */
export interface EphemeralEvent {
  readonly event: TopicEvent;
  readonly after: number;
}

/** Leaves events for the other processes to fetch. */
export function leave(transaction: Transaction, process: string, messages: readonly PreparedMessage[]): void {
  const { store, now } = transaction;
  const counter = transaction.counter();
  for (const message of messages) {
    counter.ephemeral += 1;
    const parameters: unknown[] = [counter.ephemeral, store.ns, process, now, counter.logHead];
    pushContent(parameters, message);
    store.sql(INSERT).run(parameters);
  }
  store.sql('DELETE FROM ephemeral WHERE seq <= ?').run(counter.ephemeral - MAX_ROWS);
  transaction.work += messages.length;
}

/** Fetches what others left after number `after`, and how many were gone already. */
export function fetch(
  transaction: Transaction,
  process: string,
  after: number,
): { events: EphemeralEvent[]; lost: number; upTo: number; isMore: boolean } {
  const { store } = transaction;
  const head = transaction.counter().ephemeral;
  const first = store.value('SELECT min(seq) FROM ephemeral') as number | null;
  const rows = store
    .sql<[number, string, string, number, ...unknown[]]>(
      `SELECT seq, ns, process, log_head, ${CONTENT} FROM ephemeral WHERE seq > ? ORDER BY seq LIMIT ${STEP}`,
    )
    .all(after);
  const events = rows
    .filter(([, ns, from]) => ns === store.ns && from !== process)
    .map((row) => ({ event: { ...readContent(row, 4), position: undefined } as TopicEvent, after: row[3] }));
  const isMore = rows.length === STEP;
  return {
    events,
    lost: Math.max(0, (first ?? head + 1) - after - 1),
    upTo: isMore ? (rows.at(-1)?.[0] ?? head) : head,
    isMore,
  };
}

/** Removes what everybody has had time to fetch. True when something was removed. */
export function sweepEphemeral(transaction: Transaction, olderThanMs: number): boolean {
  const { store, now } = transaction;
  return store.sql('DELETE FROM ephemeral WHERE at < ?').run(now - olderThanMs).changes > 0;
}
