/** The leased messages of a queue. The ledger has them, so their number counts and not that of all messages. */

import { readAt } from '../queues/dead-letters.ts';
import type { Entry } from '../queues/ledger.ts';
import type { QueueContext } from '../queues/queue-context.ts';
import type { KnownQueue } from '../queues/queue-record.ts';
import { compare, isLeased, type MessageStatus, statusOf } from './queue-view.ts';

/** Above it a scan of the queue is cheaper than a request for each message. */
const MOST = 1_000;
const AT_ONCE = 64;

/** The leased messages in the order of delivery. Undefined if there are too many to read them one by one. */
export async function leasedOf(shared: QueueContext, queue: KnownQueue): Promise<MessageStatus[] | undefined> {
  const { ledgers, gate, clock } = shared;
  if (!gate.isClosed) await ledgers.catchUp(queue.name);
  const ledger = await ledgers.read(queue.name, queue.record.inc);
  const now = clock.store.dueNow;
  const held = [...ledger.entries].filter(([, entry]) => isLeased(entry, now));
  if (held.length > MOST) return undefined;
  const read = async ([seq, { lane }]: [number, Entry]): Promise<MessageStatus[]> => {
    const stored = await readAt(shared, { queue: queue.name, lane, seq });
    const status = stored && statusOf(queue, ledger, { stored, lane }, now);
    return status?.state === 'leased' ? [status] : [];
  };
  const all: MessageStatus[] = [];
  for (let from = 0; from < held.length; from += AT_ONCE) {
    all.push(...(await Promise.all(held.slice(from, from + AT_ONCE).map(read))).flat());
  }
  return all.sort(compare);
}
