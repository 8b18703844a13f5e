/** What is said of a handler that failed: to the dead letter, to the reporter, to whoever asked. */

import { BusbarError, isBusbarError, toBusbarError } from '../../contract/errors.ts';
import type { Delivery } from '../../contract/message.ts';
import { RejectError } from './reject-error.ts';

/** A failed attempt. */
export interface Failure {
  /** What the handler threw. */
  readonly thrown: unknown;
  /** HANDLER_FAILED with what was thrown as its cause. */
  readonly error: BusbarError;
  /** What stands in the history of the message, at most 2,000 characters. */
  readonly reason: string;
  /** Whether the handler said that trying again is of no use. */
  readonly isRejected: boolean;
  /** Whether it becomes a dead letter now. */
  readonly isFinal: boolean;
}

/** The header that carries a message's own `maxAttempts`, for the one who handles it. */
export const MAX_ATTEMPTS_HEADER = 'bus-max-attempts';

const MAX_REASON = 2000;

/** What `thrown` means for `delivery`; `maxAttempts` is the queue's. */
export function toFailure(thrown: unknown, delivery: Delivery, maxAttempts: number): Failure {
  const isRejected = thrown instanceof RejectError;
  const reason = sayReason(thrown);
  const own = Number(delivery.headers[MAX_ATTEMPTS_HEADER] ?? maxAttempts);
  const isFinal = isRejected || delivery.attempt >= (Number.isFinite(own) ? own : maxAttempts);
  const text = `the handler failed at attempt ${delivery.attempt}: ${reason}`;
  const error = new BusbarError('HANDLER_FAILED', text, {
    cause: thrown,
    hint: isFinal ? 'The message is a dead letter now.' : 'It is tried again by itself.',
    retryable: !isFinal,
  });
  return { thrown, error, reason, isRejected, isFinal };
}

/** `thrown` in words, as it may stand in a reason. */
export function sayReason(thrown: unknown): string {
  const text = thrown instanceof Error ? sayError(thrown) : String(toBusbarError(thrown).message);
  const reason = text.toWellFormed();
  return reason.length > MAX_REASON ? `${reason.slice(0, MAX_REASON - 3).toWellFormed()}...` : reason;
}

function sayError(error: Error): string {
  if (isBusbarError(error)) return `${error.code}: ${error.message}`;
  return error instanceof RejectError ? error.message : `${error.name}: ${error.message}`;
}
