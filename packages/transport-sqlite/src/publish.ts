/** Publishing: appends events to the log and copies them into every bound queue, in one transaction. */

import type { PublishResult, StampedMessage } from '@busbar/api/transport';
import type { Bindings } from './bindings.ts';
import { insertJobs } from './jobs.ts';
import { append, ensureTopic } from './log.ts';
import { toPosition } from './position.ts';
import type { Transaction } from './transaction.ts';

/** Appends events to `topic`; those whose id it knows are duplicates and get the position of the first. */
export function publishAll(
  transaction: Transaction,
  bindings: Bindings,
  topic: string,
  messages: readonly StampedMessage[],
): PublishResult[] {
  const { store } = transaction;
  const topicId = ensureTopic(store, topic);
  const counter = transaction.counter();
  const fresh: StampedMessage[] = [];
  const numbers: number[] = [];
  const results = messages.map((message): PublishResult => {
    const known = rememberEvent(transaction, topicId, message.id, counter.logHead + 1);
    if (known !== undefined) return { id: message.id, status: 'duplicate', position: toPosition(store.storeId, known) };
    counter.logHead += 1;
    fresh.push(message);
    numbers.push(counter.logHead);
    return { id: message.id, status: 'stored', position: toPosition(store.storeId, counter.logHead) };
  });
  if (fresh.length === 0) return results;
  append(transaction, topicId, fresh, numbers);
  for (const id of bindings.queuesFor(transaction, topic)) {
    const queue = transaction.queueById(id);
    if (queue !== undefined) insertJobs(transaction, queue, fresh, { areEvents: true });
  }
  transaction.topics.add(topic);
  transaction.work += fresh.length;
  return results;
}

/** Notes the id of an event. The number of the first event with it, when it is known. */
export function rememberEvent(transaction: Transaction, topicId: number, id: string, seq: number): number | undefined {
  const { store, now } = transaction;
  const until = now + store.settings.topicDedupeMs;
  const noted = store
    .sql(
      'INSERT INTO dedupe (scope, id, until, seq, sweep_at) VALUES (?,?,?,?,?) ON CONFLICT (scope, id) DO UPDATE SET until=excluded.until, seq=excluded.seq, sweep_at=excluded.sweep_at WHERE until <= ?',
    )
    .run(-topicId, id, until, seq, until, now);
  if (noted.changes > 0) return undefined;
  return store.value('SELECT seq FROM dedupe WHERE scope=? AND id=?', -topicId, id) as number;
}
