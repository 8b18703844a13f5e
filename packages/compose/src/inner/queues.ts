/** The queues of an inner transport, as a driver calls them. */

import { type InnerQueues, lentQueues, passOn } from '@busbar/api/driver';
import type { Transport } from '@busbar/api/transport';
import { timeoutOf } from './calls.ts';

/** The shortest way to the queues of `transport`. */
export function innerQueues(transport: Transport): InnerQueues {
  return { ...overTransport(transport), ...lentQueues(transport) };
}

function overTransport({ queues }: Transport): InnerQueues {
  return {
    send: (queue, messages, create, context) =>
      queues.send(queue, passOn(messages), { create, timeoutMs: timeoutOf(context) }),
    settle: (settlements, context) => queues.settle(settlements, { timeoutMs: timeoutOf(context) }),
    receive: (queue, request, { signal }) =>
      queues.receive(queue, { ...request, timeoutMs: Number.POSITIVE_INFINITY, keepsAlive: false, signal }),
  };
}
