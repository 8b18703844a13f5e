/** The queues of a transport, for the driver of another one that is made of it. */

import type { CallContext, QueueDriver, ReceiveRequest } from '../contract/driver.ts';
import type { Delivery } from '../contract/message.ts';
import type { Transport } from '../contract/transport.ts';

/** They check and copy nothing, and neither bound calls nor track leases: the outer transport does. */
export interface InnerQueues extends Pick<QueueDriver, 'send' | 'settle'> {
  receive(queue: string, request: ReceiveRequest, context: CallContext): Promise<Delivery[]>;
}

const lent = new WeakMap<Transport, Partial<InnerQueues>>();

/** Lets drivers over `transport` use `queues`. */
export function lendQueues(transport: Transport, queues: Partial<InnerQueues>): void {
  lent.set(transport, queues);
}

/**
 * The inner queues of a transport: a second set of checks and time limits costs a third of a send. One with a server knows when
 * that is away, so its sends and settlements have time limits of their own, and it lends receives only.
 */
export function lentQueues(transport: Transport): Partial<InnerQueues> {
  return lent.get(transport) ?? {};
}
