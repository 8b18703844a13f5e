/** Errors that several parts of the driver throw. */

import { BusbarError } from '@busbar/api/transport';

/** NOT_FOUND for a queue. */
export function unknownQueue(name: string): BusbarError {
  return new BusbarError('NOT_FOUND', `there is no queue ${name}`, {
    hint: 'Check the name, or create the queue first.',
  });
}

/** BACKPRESSURE for a queue that holds `maxLength` messages. */
export function queueFull(name: string, maxLength: number): BusbarError {
  return new BusbarError('BACKPRESSURE', `queue ${name} is full: it holds ${maxLength} messages`, {
    hint: 'Slow down, consume faster, or raise maxLength.',
  });
}

/** POSITION_EXPIRED: retention has removed events that a reader has not read. */
export function positionExpired(): BusbarError {
  return new BusbarError('POSITION_EXPIRED', 'the events at this position are no longer kept', {
    hint: "Continue from 'start'; events are missing in between.",
  });
}
