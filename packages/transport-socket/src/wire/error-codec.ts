/** Errors on the wire: what a frame says of one, and the error that makes at the other end. */

import { BusbarError, type BusbarErrorOptions } from '@busbar/api/transport';
import type { Head } from './frame.ts';

const CODES: ReadonlySet<string> = new Set<BusbarError['code']>([
  'CLOSED',
  'ABORTED',
  'TIMEOUT',
  'UNAVAILABLE',
  'BACKPRESSURE',
  'INVALID_ARGUMENT',
  'NOT_FOUND',
  'CONFLICT',
  'NO_RESPONDER',
  'HANDLER_FAILED',
  'LEASE_LOST',
  'POSITION_EXPIRED',
  'PAYLOAD_TOO_LARGE',
  'PERMISSION_DENIED',
  'UNSUPPORTED',
  'INTERNAL',
]);

/** What the wire says of `error`. Where it arose stays behind: the transport at the other end says its own name. */
export function toErrorHead({ code, message, hint, outcome, retryable }: BusbarError): Head {
  return { code, message, hint, outcome, retryable };
}

/** The error that a frame speaks of. An unknown code is INTERNAL. */
export function readError(head: Head): BusbarError {
  const { code, message, hint, outcome, retryable } = head;
  const options: BusbarErrorOptions = {
    ...(typeof hint === 'string' ? { hint } : {}),
    ...(outcome === 'unknown' ? { outcome } : {}),
    ...(typeof retryable === 'boolean' ? { retryable } : {}),
  };
  const known = typeof code === 'string' && CODES.has(code) ? (code as BusbarError['code']) : 'INTERNAL';
  return new BusbarError(known, typeof message === 'string' ? message : 'the hub failed', options);
}
