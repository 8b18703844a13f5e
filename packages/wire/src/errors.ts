/** Errors of connections and of the wire protocol. */

import { BusbarError } from '@busbar/api/transport';

/** UNAVAILABLE: the connection ended. */
export function connectionLost(reason: string): BusbarError {
  return new BusbarError('UNAVAILABLE', reason, { hint: 'The transport reconnects by itself.' });
}

/** INVALID_ARGUMENT: the peer broke the protocol, so the connection must end. */
export function protocolError(problem: string): BusbarError {
  return new BusbarError('INVALID_ARGUMENT', problem, { hint: 'See docs/protocol.md for the form of frames.' });
}
