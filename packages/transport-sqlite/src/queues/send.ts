/** Sends messages: stores them in a queue, as far as `maxLength` allows. */

import type { PreparedMessage } from '@busbar/api/driver';
import { BusbarError, quote, type SendResult } from '@busbar/api/transport';
import type { BatchHandler } from '../connection/call-coalescer.ts';
import type { Transaction } from '../connection/transaction.ts';
import { insertMessages } from './insert.ts';
import type { QueueRow } from './queue-row.ts';

/** Stores messages, creating the queue if needed. */
export const SEND: BatchHandler<PreparedMessage, SendResult> = {
  run(tx, target, messages) {
    const queue = tx.ensureQueue(target);
    const statuses = insertMessages(tx, queue, messages);
    queue.touch(tx.now);
    return messages.map(({ id }, index) => {
      const status = statuses[index] ?? 'stored';
      return status === 'failed' ? { id, status, error: full(queue) } : { id, status };
    });
  },
  failItem: ({ id }, error) => ({ id, status: error.outcome, error }),
};

/** The error if the queue accepts no messages. */
export function refuseSend(tx: Transaction, name: string, create: boolean): BusbarError | undefined {
  const queue = tx.queue(name);
  if (queue?.settings.frozen === true) {
    return new BusbarError('CONFLICT', `queue ${quote(name)} is frozen`, {
      hint: 'Configure it with frozen: false, then send again.',
    });
  }
  if (queue !== undefined || create) return undefined;
  return new BusbarError('NOT_FOUND', `queue ${quote(name)} does not exist`, {
    hint: 'Check the name, or send without create: false.',
  });
}

function full(queue: QueueRow): BusbarError {
  return new BusbarError('BACKPRESSURE', `queue ${quote(queue.name)} holds ${queue.length} messages, its maxLength`, {
    hint: 'Send again when consumers have caught up, or raise maxLength.',
    operation: 'queues.send',
    transport: 'sqlite',
  });
}
