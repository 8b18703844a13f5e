/** The queues of a transport, for the driver of another one that is made of it. */

import type { CallContext, QueueDriver, ReceiveRequest } from '../contract/driver.ts';
import type { Delivery } from '../contract/message.ts';
import type { Transport } from '../contract/transport.ts';

/** They check and copy nothing, and neither bound calls nor track leases: the outer transport does. */
export interface InnerQueues extends Pick<QueueDriver, 'send' | 'settle'> {
  receive(queue: string, request: ReceiveRequest, context: CallContext): Promise<Delivery[]>;
}

const lent = new WeakMap<Transport, InnerQueues>();

/** Lets drivers over `transport` use `queues`. */
export function lendQueues(transport: Transport, queues: InnerQueues): void {
  lent.set(transport, queues);
}

/**
 * The inner queues of a transport without a server: a second set of checks and time limits costs a third of a send. Undefined
 * for other transports, which know when their server is away.
 */
export function lentQueues(transport: Transport): InnerQueues | undefined {
  return lent.get(transport);
}
