/** Failures of handlers: the error that a handler throws to reject, a failed attempt, and the failure as a message carries it. */

import { BusbarError, ERROR_CODES, type ErrorCode, isBusbarError, toBusbarError } from '../../contract/errors.ts';
import type { Delivery } from '../../contract/message.ts';

/** Thrown by a handler: the message goes straight to the dead letters, with this text as the reason. */
export class RejectError extends Error {
  override readonly name = 'RejectError';

  /** `reason` stands in the dead letter (its first 2,000 characters). */
  constructor(reason: string, options?: { readonly cause?: unknown }) {
    super(reason, options);
  }
}

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
  const reason = reasonOf(thrown);
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
export function reasonOf(thrown: unknown): string {
  const text = thrown instanceof Error ? sayError(thrown) : String(toBusbarError(thrown).message);
  const reason = text.toWellFormed();
  return reason.length > MAX_REASON ? `${reason.slice(0, MAX_REASON - 3).toWellFormed()}...` : reason;
}

function sayError(error: Error): string {
  if (isBusbarError(error)) return `${error.code}: ${error.message}`;
  return error instanceof RejectError ? error.message : `${error.name}: ${error.message}`;
}

/** What is told of an error elsewhere: plain JSON, no stack. */
export interface FailureRecord {
  readonly name: string;
  readonly message: string;
  /** The code of an error of Busbar, or of any other that has one, such as ENOENT. */
  readonly code?: string;
  readonly hint?: string;
}

const MAX_TEXT = 2000;

/** `thrown` as it travels. */
export function toFailureRecord(thrown: unknown): FailureRecord {
  if (!(thrown instanceof Error)) return { name: 'Error', message: cut(String(thrown)) };
  const { name, message } = thrown;
  const { code, hint } = thrown as { readonly code?: unknown; readonly hint?: unknown };
  return {
    name: cut(name),
    message: cut(message),
    ...(typeof code === 'string' && { code: cut(code) }),
    ...(isBusbarError(thrown) && typeof hint === 'string' && { hint: cut(hint) }),
  };
}

/** The error that a record tells of: a BusbarError where it was one, else an Error of that name. */
export function fromFailureRecord({ name, message, code, hint }: FailureRecord): Error {
  if (name === 'BusbarError' && ERROR_CODES.includes(code as ErrorCode)) {
    return new BusbarError(code as ErrorCode, message, hint === undefined ? {} : { hint });
  }
  return Object.assign(new Error(message), { name }, code !== undefined && { code });
}

function cut(text: string): string {
  return text.toWellFormed().slice(0, MAX_TEXT).toWellFormed();
}
