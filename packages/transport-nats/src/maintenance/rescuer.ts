/** Sends messages again that a consumer dropped before they were settled: a late ack took them from their next holder. */

import type { Lane } from '../connection/names.ts';
import { readAt } from '../queues/dead-letters.ts';
import { place } from '../queues/delayed.ts';
import type { Ledger, LedgerOutcome } from '../queues/ledger.ts';
import type { QueueContext } from '../queues/queue-context.ts';
import type { KnownQueue } from '../queues/queue-record.ts';

/** Up to which sequence all messages of a lane are settled, by lane. */
export type Floors = Partial<Record<Lane, number>>;

/** Sends dropped messages again once their leases are over. Resolves with whether some are still leased. */
export async function rescue(
  shared: QueueContext,
  queue: KnownQueue,
  ledger: Ledger,
  floors: Floors,
): Promise<boolean> {
  const { clock, ledgers } = shared;
  const dropped = [...ledger.entries].filter(([seq, { lane }]) => seq <= (floors[lane] ?? 0));
  const now = clock.now;
  const over = dropped.filter(([, { lease, dueAt }]) => Math.max(lease?.end ?? 0, dueAt) <= now);
  const other: LedgerOutcome[] = [];
  for (const [seq, entry] of over) {
    const { lane, lease } = entry;
    const stored = await readAt(shared, { queue: queue.name, lane, seq });
    if (stored !== undefined) await place(shared, queue, stored, entry, { dueAt: undefined, readyAt: now, lane });
    other.push({ did: stored === undefined ? 'hide' : 'move', lane, seq, r: lease?.r });
  }
  if (other.length > 0) {
    const { inc } = queue.record;
    const { seq } = await ledgers.append(queue.name, { k: 's', inc, acked: {}, other });
    await ledgers.read(queue.name, inc, seq);
  }
  return dropped.length > over.length;
}

/** The floors below which the ledger has nothing unsettled. */
export function settledFloors(ledger: Ledger, floors: Floors): Floors {
  const settled = { ...floors };
  for (const [seq, { lane }] of ledger.entries) {
    if (seq <= (settled[lane] ?? 0)) settled[lane] = seq - 1;
  }
  return settled;
}
