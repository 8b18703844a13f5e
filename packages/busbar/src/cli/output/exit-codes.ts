/** Exit codes of the command. The table is API, the same with and without `--json`; each error code has one exit code. */

import type { ErrorCode } from '@busbar/api';

export const DONE = 0;
export const UNEXPECTED = 1;
export const USAGE = 2;
export const NOT_FOUND = 3;
/** A timeout, or an empty inbox. */
export const TIMED_OUT = 4;
/** No responder, or a full queue. */
export const REFUSED = 5;
/** A lost lease, or a conflict. */
export const CONFLICT = 6;
export const DENIED = 7;
export const UNAVAILABLE = 69;

const BY_CODE: Readonly<Record<ErrorCode, number>> = {
  CLOSED: UNEXPECTED,
  // Another process cancelled it; a signal has an exit code of its own.
  ABORTED: UNEXPECTED,
  TIMEOUT: TIMED_OUT,
  UNAVAILABLE,
  BACKPRESSURE: REFUSED,
  INVALID_ARGUMENT: USAGE,
  NOT_FOUND,
  CONFLICT,
  NO_RESPONDER: REFUSED,
  HANDLER_FAILED: UNEXPECTED,
  LEASE_LOST: CONFLICT,
  POSITION_EXPIRED: NOT_FOUND,
  DATA_LOSS: UNEXPECTED,
  PAYLOAD_TOO_LARGE: USAGE,
  PERMISSION_DENIED: DENIED,
  UNSUPPORTED: USAGE,
  INTERNAL: UNEXPECTED,
};

/** The exit code of an error. */
export function exitCodeOf(code: ErrorCode): number {
  return BY_CODE[code];
}

/** The exit code after a signal: 128 plus its number, as in shells. */
export function exitCodeOfSignal(signal: NodeJS.Signals): number {
  // A command whose reader has gone has done what it could.
  if (signal === 'SIGPIPE') return DONE;
  if (signal === 'SIGHUP') return 129;
  return signal === 'SIGTERM' ? 143 : 130;
}

/** For `busbar help exit-codes` and the README. */
export const EXIT_CODES: readonly (readonly [code: string, meaning: string])[] = [
  ['0', 'success'],
  ['1', 'unexpected error, or the handler of a request failed'],
  ['2', 'usage: a bad flag, URL, name, body or config key'],
  ['3', 'not found: agent, mailbox, message, queue, topic, task, position'],
  ['4', 'timeout, or nothing to receive'],
  ['5', 'refused: no responder, or the queue is full'],
  ['6', 'lease lost, or a conflict'],
  ['7', 'permission denied'],
  ['69', 'backend unavailable, also after retries'],
  [
    '129, 130, 143',
    'interrupted by SIGHUP (or the parent ended), SIGINT, SIGTERM; leases of this command are released',
  ],
];
