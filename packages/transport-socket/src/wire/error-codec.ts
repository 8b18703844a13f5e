/** Errors on the wire. */

import { BusbarError, type BusbarErrorOptions, ERROR_CODES } from '@busbar/api/transport';
import type { Header } from './frame.ts';

const CODES: ReadonlySet<unknown> = new Set(ERROR_CODES);

/** The header of an error frame. It leaves out the transport's name, which the other end sets itself. */
export function encodeError({ code, message, hint, outcome, retryable }: BusbarError): Header {
  return { code, message, hint, outcome, retryable };
}

/** The error in a header. An unknown code becomes INTERNAL. */
export function decodeError({ code, message, hint, outcome, retryable }: Header): BusbarError {
  const options: BusbarErrorOptions = {
    ...(typeof hint === 'string' ? { hint } : {}),
    ...(outcome === 'unknown' ? { outcome } : {}),
    ...(typeof retryable === 'boolean' ? { retryable } : {}),
  };
  const known = CODES.has(code) ? (code as BusbarError['code']) : 'INTERNAL';
  return new BusbarError(known, typeof message === 'string' ? message : 'the hub failed', options);
}
