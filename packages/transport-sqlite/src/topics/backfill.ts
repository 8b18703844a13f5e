/** The history that a new binding brings into its queue: copied in bounded steps, by whoever claims from it. */

import type { PreparedMessage } from '@busbar/api/driver';
import { matchTopic } from '@busbar/api/transport';
import { isFull, readBatch } from '../connection/row-batch.ts';
import { contentOf } from '../connection/schema.ts';
import type { Transaction } from '../connection/transaction.ts';
import { insertJobs } from '../queues/messages.ts';
import type { QueueRow } from '../queues/queue-row.ts';
import { readStamped } from '../queues/stored-message.ts';

/** Events that one step looks at. */
const STEP = 200;

/** id, pattern, since, next, last. */
type Unfinished = readonly [number, string, number, number, number];

/** Copies a step of what is still to be copied into a queue. True when there is more. */
export function copyHistory(transaction: Transaction, queue: QueueRow): boolean {
  const binding = transaction.store
    .sql<Unfinished>(
      'SELECT id, pattern, since, next, last FROM binding WHERE queue_id=? AND next IS NOT NULL ORDER BY id LIMIT 1',
    )
    .get(queue.id);
  if (binding === undefined) return false;
  const [id, , , next, last] = binding;
  const events = readBatch(
    transaction.store.sql<[number, string, ...unknown[]]>(
      `SELECT log.seq, topic.name, log.at, ${contentOf('log')}
       FROM log JOIN topic ON topic.id = topic_id AND topic.ns = ? WHERE log.seq BETWEEN ? AND ? ORDER BY log.seq LIMIT ${STEP}`,
    ),
    [queue.ns, next, last],
  );
  const covered = earlierBindings(transaction, queue, id);
  const wanted = events.filter(([seq, topic]) => belongs(topic, seq, binding, covered));
  if (wanted.length > 0) {
    insertJobs(transaction, queue, wanted.flatMap(toMessage), { areEvents: true });
    queue.isChanged = true;
    transaction.work += wanted.length;
  }
  const seen = events.length < STEP && !isFull(events) ? last : (events.at(-1)?.[0] ?? last);
  const rest = seen >= last ? null : seen + 1;
  transaction.store.sql('UPDATE binding SET next=? WHERE id=?').run(rest, id);
  if (rest === null) endCopy(queue);
  return queue.copying > 0;
}

/** A binding of the queue has nothing more to copy. */
export function endCopy(queue: QueueRow): void {
  queue.copying -= 1;
  queue.isChanged = true;
}

/** pattern, since of the bindings of a queue that were there before. */
function earlierBindings(transaction: Transaction, queue: QueueRow, id: number): [string, number][] {
  return transaction.store
    .sql<[string, number]>('SELECT pattern, since FROM binding WHERE queue_id=? AND id<?')
    .all(queue.id, id);
}

/** An event enters a queue once: what an earlier binding has brought, or will, is not brought again. */
function belongs(topic: string, seq: number, binding: Unfinished, covered: readonly [string, number][]): boolean {
  if (!matchTopic(binding[1], topic)) return false;
  return !covered.some(([pattern, since]) => seq > since && matchTopic(pattern, topic));
}

/** Delay and time to live of an event began when it was published. */
function toMessage(row: readonly unknown[]): PreparedMessage[] {
  const message = readStamped(row, 3);
  const age = Math.max(0, Date.now() - (row[2] as number));
  if (message.ttlMs === undefined) return [{ ...message, delayMs: Math.max(0, message.delayMs - age) }];
  if (message.ttlMs <= age) return [];
  return [{ ...message, delayMs: Math.max(0, message.delayMs - age), ttlMs: message.ttlMs - age }];
}
