/** A record of what a bus sends. */

import type { Bus } from '../bus/bus.ts';
import type { OutgoingMessage } from '../bus/middleware.ts';

/** One message, event, task or request, as it left the program. */
export type RecordedSend = Readonly<Omit<OutgoingMessage, 'cause'>>;

/**
 * Records what this bus, its agents and its handlers send from now on, in order: also what the store then refuses. Bodies are
 * those of the program, not copies.
 */
export function recordSends(bus: Bus): readonly RecordedSend[] {
  const sent: RecordedSend[] = [];
  const record = (outgoing: OutgoingMessage, next: () => Promise<unknown>): Promise<unknown> => {
    const { kind, target, type, from, body, headers } = outgoing;
    sent.push({ kind, target, type, from, body, headers });
    return next();
  };
  bus.use({ name: 'recorded sends', send: record, publish: record, enqueue: record, request: record });
  return sent;
}
