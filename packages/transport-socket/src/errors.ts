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

/** UNAVAILABLE: no hub listens at `url`. */
export function noHub(url: string, reason?: string, cause?: unknown): BusbarError {
  return new BusbarError('UNAVAILABLE', `no hub listens at ${url}${reason === undefined ? '' : ` (${reason})`}`, {
    hint: `Start one: busbar hub --listen ${url}`,
    ...(cause !== undefined && { cause }),
  });
}

/** UNAVAILABLE: a hub cannot listen at `address`. Retrying does not help. */
export function cannotListen(address: string, cause: unknown): BusbarError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const hint = code === 'EADDRINUSE' ? 'Another program listens there.' : 'Use an address of this machine.';
  return new BusbarError('UNAVAILABLE', `cannot listen at ${address}: ${code ?? message}`, {
    hint,
    retryable: false,
    cause,
  });
}
