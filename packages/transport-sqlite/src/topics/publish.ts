/** Publishes events: appends them to the log and to every bound queue, in one transaction. */

import type { PreparedMessage } from '@busbar/api/driver';
import type { PublishResult } from '@busbar/api/transport';
import type { BatchHandler } from '../connection/call-coalescer.ts';
import type { Transaction } from '../connection/transaction.ts';
import { findSeq, recordIds } from '../queues/dedupe.ts';
import { insertEvents } from '../queues/insert.ts';
import { leaveToBackfill } from './backfill.ts';
import type { BindingCache } from './bindings.ts';
import { appendEvents, ensureTopic } from './event-log.ts';
import { toPosition } from './position.ts';

/** The handler for publishes. */
export function publishHandler(bindings: BindingCache): BatchHandler<PreparedMessage, PublishResult> {
  return {
    grows: true,
    run: (tx, topic, messages) => publishAll(tx, bindings, topic, messages),
    failItem: ({ id }, error) => ({ id, status: error.outcome, error }),
  };
}

/** Publishes events on `topic`. A duplicate gets the position of the first event with its id. */
function publishAll(
  tx: Transaction,
  bindings: BindingCache,
  topic: string,
  messages: readonly PreparedMessage[],
): PublishResult[] {
  const topicId = ensureTopic(tx.store, topic);
  const first = tx.takeEventNumbers(messages.length);
  const ids = messages.map(({ id }) => id);
  const scope = -topicId;
  const statuses = recordIds(tx, { scope, ids, first, windowMs: tx.store.settings.topicDedupeMs });
  const fresh: PreparedMessage[] = [];
  const numbers: number[] = [];
  const results = messages.map((message, index): PublishResult => {
    const { id } = message;
    const isKnown = statuses[index] === 'duplicate';
    const seq = isKnown ? (findSeq(tx, scope, id) ?? 0) : first + index;
    const position = toPosition(tx.store.storeId, seq);
    if (isKnown) return { id, status: 'duplicate', position };
    fresh.push(message);
    numbers.push(seq);
    return { id, status: 'stored', position };
  });
  if (fresh.length === 0) return results;
  appendEvents(tx, topicId, fresh, numbers);
  for (const id of bindings.queuesFor(tx, topic)) {
    const queue = tx.queueById(id);
    if (queue === undefined || leaveToBackfill(tx, queue, topic, numbers)) continue;
    insertEvents(tx, queue, fresh);
  }
  tx.publishedTopics.add(topic);
  return results;
}
