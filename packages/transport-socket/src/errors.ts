/** Errors of addresses: no hub listens, or none can. */

import { BusbarError } from '@busbar/api/transport';

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
