/** A delivery of one store as a message for another. */

import type { Delivery, MessageInput } from '@busbar/api/transport';
import { leaving } from './visited.ts';

/** The header in which a bus keeps a message's own number of attempts. */
const MAX_ATTEMPTS_HEADER = 'bus-max-attempts';

/** The same message with the same id, and with a header that says where it has been. Its attempts begin again. */
export function toForwarded(delivery: Delivery, fromId: string): MessageInput {
  const { id, body, contentType, type, from, to, priority, orderingKey, headers, ttlLeftMs } = delivery;
  const { correlationId, causationId, hops, replyTo } = delivery;
  const maxAttempts = Number(headers[MAX_ATTEMPTS_HEADER] ?? Number.NaN);
  return {
    ...{ id, body, contentType, type, from, to, priority, orderingKey, correlationId, causationId, hops, replyTo },
    headers: leaving(headers, fromId),
    ...(ttlLeftMs !== undefined && { ttlMs: Math.max(1, ttlLeftMs) }),
    ...(Number.isInteger(maxAttempts) && { maxAttempts }),
  };
}
