/** Ephemeral events for other processes: rows that are pruned after seconds. */

import type { PreparedMessage } from '@busbar/api/driver';
import type { TopicEvent } from '@busbar/api/transport';
import { Insertion } from '../connection/rows.ts';
import { MESSAGE_COLUMNS } from '../connection/schema.ts';
import type { Transaction } from '../connection/transaction.ts';
import { pushMessage, readMessage } from '../queues/stored-message.ts';

/** Rows of all namespaces that are kept at most. */
const MAX_ROWS = 10_000;
/** Events of one read. */
const STEP = 500;

const INSERTION = new Insertion('ephemeral', `seq, ns, process, at, event_head, ${MESSAGE_COLUMNS}`);

/** An ephemeral event, and the number of the logged event before it. */
export interface EphemeralEvent {
  readonly event: TopicEvent;
  readonly after: number;
}

/** Stores events for the other processes to fetch. */
export function storeEphemeral(tx: Transaction, process: string, messages: readonly PreparedMessage[]): void {
  const counters = tx.counters();
  INSERTION.run(tx, messages, (values, message) => {
    counters.ephemeral += 1;
    values.push(counters.ephemeral, tx.ns, process, tx.time, counters.eventHead);
    pushMessage(values, message);
  });
  tx.sql('DELETE FROM ephemeral WHERE seq <= ?').run(counters.ephemeral - MAX_ROWS);
  tx.rowCount += messages.length;
}

/** Fetches the events of other processes after number `after`, and the number of those already pruned. */
export function fetchEphemeral(
  tx: Transaction,
  process: string,
  after: number,
): { events: EphemeralEvent[]; lost: number; upTo: number; isMore: boolean } {
  const head = tx.counters().ephemeral;
  const first = tx.value('SELECT min(seq) FROM ephemeral') as number | null;
  const rows = tx
    .sql<[number, string, string, number, ...unknown[]]>(
      `SELECT seq, ns, process, event_head, ${MESSAGE_COLUMNS} FROM ephemeral WHERE seq > ? ORDER BY seq LIMIT ${STEP}`,
    )
    .all(after);
  const events = rows
    .filter(([, ns, from]) => ns === tx.ns && from !== process)
    .map((row) => ({ event: { ...readMessage(row, 4), position: undefined } as TopicEvent, after: row[3] }));
  const isMore = rows.length === STEP;
  return {
    events,
    lost: Math.max(0, (first ?? head + 1) - after - 1),
    upTo: isMore ? (rows.at(-1)?.[0] ?? head) : head,
    isMore,
  };
}

/** Prunes events that all processes had time to fetch. Returns true if there were some. */
export function pruneEphemeral(tx: Transaction, olderThanMs: number): boolean {
  return tx.sql('DELETE FROM ephemeral WHERE at < ?').run(tx.time - olderThanMs).changes > 0;
}
