/** Publishes events: appends them to the log and to every bound queue, in one transaction. */

import type { PreparedMessage } from '@busbar/api/driver';
import type { PublishResult } from '@busbar/api/transport';
import type { BatchHandler } from '../connection/call-coalescer.ts';
import type { Transaction } from '../connection/transaction.ts';
import { findSeq, recordIds } from '../queues/dedupe.ts';
import { insertMessages } from '../queues/insert.ts';
import type { BindingCache } from './bindings.ts';
import { appendEvents, ensureTopic } from './event-log.ts';
import { toPosition } from './position.ts';

/** The handler for publishes. */
export function publishHandler(bindings: BindingCache): BatchHandler<PreparedMessage, PublishResult> {
  return {
    run: (transaction, topic, messages) => publishAll(transaction, bindings, topic, messages),
    failItem: ({ id }, error) => ({ id, status: error.outcome, error }),
  };
}

/** Publishes events on `topic`. A duplicate gets the position of the first event with its id. */
function publishAll(
  transaction: Transaction,
  bindings: BindingCache,
  topic: string,
  messages: readonly PreparedMessage[],
): PublishResult[] {
  const { store } = transaction;
  const topicId = ensureTopic(store, topic);
  const counters = transaction.counters();
  const first = counters.eventHead + 1;
  counters.eventHead += messages.length;
  const ids = messages.map(({ id }) => id);
  const scope = -topicId;
  const statuses = recordIds(transaction, { scope, ids, first, windowMs: store.settings.topicDedupeMs });
  const fresh: PreparedMessage[] = [];
  const numbers: number[] = [];
  const results = messages.map((message, index): PublishResult => {
    const { id } = message;
    const isKnown = statuses[index] === 'duplicate';
    const seq = isKnown ? (findSeq(transaction, scope, id) ?? 0) : first + index;
    const position = toPosition(store.storeId, seq);
    if (isKnown) return { id, status: 'duplicate', position };
    fresh.push(message);
    numbers.push(seq);
    return { id, status: 'stored', position };
  });
  if (fresh.length === 0) return results;
  appendEvents(transaction, topicId, fresh, numbers);
  for (const id of bindings.queuesFor(transaction, topic)) {
    const queue = transaction.queueById(id);
    if (queue !== undefined) insertMessages(transaction, queue, fresh, { areEvents: true });
  }
  transaction.publishedTopics.add(topic);
  return results;
}
