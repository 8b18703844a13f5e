/** Sending: stores messages in a queue, as far as they fit. */

import type { PreparedMessage } from '@busbar/api/driver';
import { BusbarError, quote, type SendResult } from '@busbar/api/transport';
import type { Kind } from '../connection/call-coalescer.ts';
import type { Transaction } from '../connection/transaction.ts';
import { insertJobs } from './messages.ts';
import type { QueueRow } from './queue-row.ts';

/** Stores messages in a queue, which is made where it is not there. */
export const SEND: Kind<PreparedMessage, SendResult> = {
  work(transaction, on, messages) {
    const queue = transaction.ensureQueue(on);
    const statuses = insertJobs(transaction, queue, messages, { areEvents: false });
    queue.use(transaction.now);
    return messages.map(({ id }, index) => {
      const status = statuses[index] ?? 'stored';
      return status === 'failed' ? { id, status, error: full(queue) } : { id, status };
    });
  },
  fail: ({ id }, error) => ({ id, status: error.outcome, error }),
};

/** Why nothing can be sent to a queue. */
export function refuseSend(transaction: Transaction, name: string, create: boolean): BusbarError | undefined {
  const queue = transaction.queue(name);
  if (queue?.settings.frozen === true) {
    return new BusbarError('CONFLICT', `queue ${quote(name)} is frozen`, {
      hint: 'Send when it is thawed: configure it with frozen: false.',
    });
  }
  if (queue !== undefined || create) return undefined;
  return new BusbarError('NOT_FOUND', `there is no queue ${quote(name)}`, {
    hint: 'Check its name, or send without create: false.',
  });
}

function full(queue: QueueRow): BusbarError {
  return new BusbarError('BACKPRESSURE', `queue ${quote(queue.name)} holds ${queue.length} messages, its maxLength`, {
    hint: 'Send again when consumers have caught up, or raise maxLength.',
    operation: 'queues.send',
    transport: 'sqlite',
  });
}
