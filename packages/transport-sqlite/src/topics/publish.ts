/** Publishing: appends events to the log and copies them into every bound queue, in one transaction. */

import type { PreparedMessage } from '@busbar/api/driver';
import type { PublishResult } from '@busbar/api/transport';
import type { Kind } from '../connection/call-coalescer.ts';
import type { Transaction } from '../connection/transaction.ts';
import { knownSeq, remember } from '../queues/dedupe.ts';
import { insertJobs } from '../queues/messages.ts';
import type { Bindings } from './bindings.ts';
import { append, ensureTopic } from './event-log.ts';
import { toPosition } from './position.ts';

/** Publishes events on topics, with the bindings of their queues. */
export function publishing(bindings: Bindings): Kind<PreparedMessage, PublishResult> {
  return {
    work: (transaction, on, messages) => publishAll(transaction, bindings, on, messages),
    fail: ({ id }, error) => ({ id, status: error.outcome, error }),
  };
}

/** Appends events to `topic`; those whose id it knows are duplicates and get the position of the first. */
function publishAll(
  transaction: Transaction,
  bindings: Bindings,
  topic: string,
  messages: readonly PreparedMessage[],
): PublishResult[] {
  const { store } = transaction;
  const topicId = ensureTopic(store, topic);
  const counter = transaction.counter();
  const first = counter.logHead + 1;
  counter.logHead += messages.length;
  const ids = messages.map(({ id }) => id);
  const scope = -topicId;
  const statuses = remember(transaction, { scope, ids, first, windowMs: store.settings.topicDedupeMs });
  const fresh: PreparedMessage[] = [];
  const numbers: number[] = [];
  const results = messages.map((message, index): PublishResult => {
    const { id } = message;
    const isKnown = statuses[index] === 'duplicate';
    const seq = isKnown ? (knownSeq(transaction, scope, id) ?? 0) : first + index;
    const position = toPosition(store.storeId, seq);
    if (isKnown) return { id, status: 'duplicate', position };
    fresh.push(message);
    numbers.push(seq);
    return { id, status: 'stored', position };
  });
  if (fresh.length === 0) return results;
  append(transaction, topicId, fresh, numbers);
  for (const id of bindings.queuesFor(transaction, topic)) {
    const queue = transaction.queueById(id);
    if (queue !== undefined) insertJobs(transaction, queue, fresh, { areEvents: true });
  }
  transaction.topics.add(topic);
  return results;
}
