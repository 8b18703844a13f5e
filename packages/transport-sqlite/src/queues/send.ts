/** Sends messages: stores them in a queue, as far as `maxLength` allows. */

import { type PreparedMessage, queueFrozen, queueFull, unknownQueue } from '@busbar/api/driver';
import type { BusbarError, SendResult } from '@busbar/api/transport';
import type { BatchHandler } from '../connection/call-coalescer.ts';
import type { Transaction } from '../connection/transaction.ts';
import { insertMessages } from './insert.ts';

/** Stores messages, creating the queue if needed. */
export const SEND: BatchHandler<PreparedMessage, SendResult> = {
  grows: true,
  run(tx, target, messages) {
    const queue = tx.ensureQueue(target);
    const statuses = insertMessages(tx, queue, messages);
    queue.touch(tx.now);
    return messages.map(({ id }, index) => {
      const status = statuses[index] ?? 'stored';
      return status === 'failed'
        ? { id, status, error: queueFull(queue.name, queue.settings.maxLength) }
        : { id, status };
    });
  },
  failItem: ({ id }, error) => ({ id, status: error.outcome, error }),
};

/** The error if the queue accepts no messages. */
export function refuseSend(tx: Transaction, name: string, create: boolean): BusbarError | undefined {
  const queue = tx.queue(name);
  if (queue?.settings.frozen === true) return queueFrozen(name);
  return queue !== undefined || create ? undefined : unknownQueue(name);
}
