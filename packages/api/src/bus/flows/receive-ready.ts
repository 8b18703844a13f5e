/** Takes tasks without a handler: parents whose children have not ended go back to their queue. */

import type { Delivery } from '../../contract/message.ts';
import type { ReceiveOptions, Settlement } from '../../contract/queues.ts';
import { isRejectError, RetryError, reasonOf } from '../consuming/failure.ts';
import type { BusRuntime } from '../runtime.ts';
import { Parents } from './parents.ts';

/** Receives tasks that may start. */
export async function receiveReady(runtime: BusRuntime, queue: string, options: ReceiveOptions): Promise<Delivery[]> {
  const parents = new Parents(runtime);
  const until = performance.now() + (options.waitMs ?? 0);
  for (let { waitMs } = options; ; waitMs = Math.max(0, until - performance.now())) {
    const deliveries = await runtime.transport.queues.receive(queue, { ...options, waitMs });
    const ready = await Promise.all(deliveries.map((delivery) => isReady(runtime, parents, delivery)));
    const present = deliveries.filter((_, index) => ready[index]);
    if (present.length > 0 || deliveries.length === 0) return present;
  }
}

async function isReady({ transport }: BusRuntime, parents: Parents, delivery: Delivery): Promise<boolean> {
  try {
    await parents.ready(delivery);
    return true;
  } catch (error) {
    const { receipt } = delivery;
    const delayMs = error instanceof RetryError ? error.afterMs : undefined;
    const isFailed = isRejectError(error);
    const settlement: Settlement = isFailed
      ? { receipt, action: 'reject', reason: reasonOf(error) }
      : { receipt, action: 'release', delayMs };
    const [result] = await transport.queues.settle([settlement]);
    if (result?.status === 'done') await parents.settled(delivery, settlement, isFailed);
    return false;
  }
}
