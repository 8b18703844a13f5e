/** Exit codes: what a shell sees of an outcome. The table is API, and the same with and without `--json`. */

import type { ErrorCode } from '@busbar/api';

export const DONE = 0;
export const UNEXPECTED = 1;
export const USAGE = 2;
export const NOT_FOUND = 3;
/** Out of time, or nothing to receive. */
export const NOTHING = 4;
/** Unknown recipient, no responder, queue full. */
export const REFUSED = 5;
/** The lease is lost, or something stands against it. */
export const CONFLICT = 6;
export const DENIED = 7;
export const UNAVAILABLE = 69;

const BY_CODE: Readonly<Record<ErrorCode, number>> = {
  CLOSED: UNEXPECTED,
  // Not by a signal: what was waited for was cancelled by others.
  ABORTED: UNEXPECTED,
  TIMEOUT: NOTHING,
  UNAVAILABLE,
  BACKPRESSURE: REFUSED,
  INVALID_ARGUMENT: USAGE,
  NOT_FOUND,
  CONFLICT,
  NO_RESPONDER: REFUSED,
  HANDLER_FAILED: UNEXPECTED,
  LEASE_LOST: CONFLICT,
  POSITION_EXPIRED: NOT_FOUND,
  PAYLOAD_TOO_LARGE: USAGE,
  PERMISSION_DENIED: DENIED,
  UNSUPPORTED: USAGE,
  INTERNAL: UNEXPECTED,
};

/** The exit code of an error. Where a recipient is missing the command was refused. */
export function exitCodeOf(code: ErrorCode, ofRecipient = false): number {
  return code === 'NOT_FOUND' && ofRecipient ? REFUSED : BY_CODE[code];
}

/** The exit code after a signal, 128 and its number as shells have it. */
export function exitCodeOfSignal(signal: NodeJS.Signals): number {
  if (signal === 'SIGHUP') return 129;
  return signal === 'SIGTERM' ? 143 : 130;
}

/** For `busbar help exit-codes` and the README. */
export const EXIT_CODES: readonly (readonly [code: string, meaning: string])[] = [
  ['0', 'done, or a message received'],
  ['1', 'unexpected error, also of the handler that was asked'],
  ['2', 'usage: a bad flag, URL, name, body or config key'],
  ['3', 'not found: message, agent, topic, task'],
  ['4', 'time-out, or nothing to receive'],
  ['5', 'refused: unknown recipient, no responder, queue full'],
  ['6', 'lease lost, or a conflict'],
  ['7', 'denied'],
  ['69', 'backend unavailable, also after retries'],
  ['130, 143', 'interrupted (SIGINT, SIGTERM); what was leased is given back'],
];
