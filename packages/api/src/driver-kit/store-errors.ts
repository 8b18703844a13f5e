/** Errors of queues and topics: the same text on every backend. */

import { BusbarError } from '../contract/errors.ts';
import { quote } from '../contract/names.ts';

/** NOT_FOUND for a queue. */
export function unknownQueue(name: string): BusbarError {
  return new BusbarError('NOT_FOUND', `there is no queue ${quote(name)}`, {
    hint: 'Check the name, or create the queue first.',
  });
}

/** CONFLICT for a queue that accepts no messages. */
export function queueFrozen(name: string): BusbarError {
  return new BusbarError('CONFLICT', `queue ${quote(name)} is frozen`, {
    hint: 'Configure it with frozen: false, then send again.',
  });
}

/** BACKPRESSURE for a queue that holds `maxLength` messages, where the backend reports the limit. */
export function queueFull(name: string, maxLength?: number): BusbarError {
  const count = maxLength === undefined ? '' : `: it holds ${maxLength} messages`;
  return new BusbarError('BACKPRESSURE', `queue ${quote(name)} is full${count}`, {
    hint: 'Slow down, consume faster, or raise maxLength.',
  });
}

/** POSITION_EXPIRED: retention has deleted events that a reader has not read. */
export function positionExpired(): BusbarError {
  return new BusbarError('POSITION_EXPIRED', 'the events at this position are no longer kept', {
    hint: "Continue from 'start' and expect a gap, or raise the retention.",
  });
}
