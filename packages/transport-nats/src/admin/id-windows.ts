/** Ids that a send cannot use again: those that the server remembers with their messages, and those with records. */

import { DEDUPE_MS } from '../connection/streams.ts';
import type { QueueContext } from '../queues/queue-context.ts';
import type { KnownQueue } from '../queues/queue-record.ts';
import type { StoredMessage } from '../queues/stored-message.ts';
import type { StoredInLane } from './queue-view.ts';

/** The rest of the window of each id that the server remembers with a message, settled ones included. */
export function windowsOf(
  { clock }: QueueContext,
  all: readonly StoredInLane[],
  left: Map<string, number> = new Map(),
): Map<string, number> {
  for (const { stored, lane } of all) {
    const leftMs = stored.storedAt + DEDUPE_MS - clock.store.dueNow;
    if (lane !== 'dead' && leftMs > 0 && isSent(stored)) left.set(stored.message.id, leftMs);
  }
  return left;
}

/** The rest of the window of each id with a record, page by page. */
export async function* readWindows(
  { requests, names, clock }: QueueContext,
  queue: KnownQueue,
): AsyncGenerator<readonly { readonly id: string; readonly leftMs: number }[], void> {
  for await (const page of requests.reader.scan(names.queues, names.ids(queue.name))) {
    yield page.flatMap((each) => {
      const { id, until } = each.json<{ id: string; until: number }>();
      const leftMs = until - clock.store.now;
      return leftMs > 0 ? [{ id, leftMs }] : [];
    });
  }
}

/** Whether the server remembers the id of a message: not of one that was imported, moved, or copied from a topic. */
function isSent({ message, envelope }: StoredMessage): boolean {
  return envelope.past === undefined && envelope.readyAt === undefined && message.topic === undefined;
}
