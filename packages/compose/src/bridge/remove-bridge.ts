/** Deletes what a bridge keeps in its stores. */

import type { StoreEnd, StoreEnds } from '../store-end.ts';
import { BridgeLock } from './bridge-lock.ts';
import { storeIdOf } from './store-id.ts';
import { eventQueueOf } from './topic-route.ts';

/**
 * Deletes the queues that keep events for a bridge that will not run again, in both directions. Resolves with how many events
 * had not been forwarded. Rejects with CONFLICT while the bridge runs.
 */
export async function removeBridge(ends: StoreEnds): Promise<number> {
  const { from, to } = ends;
  const [fromId, toId] = [await storeIdOf(from.transport), await storeIdOf(to.transport)];
  const never = new AbortController().signal;
  await using _ = await BridgeLock.take(ends, fromId, never);
  await using __ = await BridgeLock.take({ from: to, to: from }, toId, never);
  return (await removeQueue(from, toId)) + (await removeQueue(to, fromId));
}

async function removeQueue({ transport: { admin } }: StoreEnd, toId: string): Promise<number> {
  const name = eventQueueOf(toId);
  const [queue] = await admin.queues({ names: [name] });
  await admin.deleteQueue(name);
  return queue === undefined ? 0 : queue.ready + queue.delayed + queue.leased;
}
