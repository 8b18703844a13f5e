/** Failures of handlers: RejectError, failed attempts, and failures as JSON. */

import { BusbarError, ERROR_CODES, type ErrorCode, isBusbarError } from '../../contract/errors.ts';
import type { Delivery } from '../../contract/message.ts';
import { cutText, hasBrand, REJECT_BRAND, readThrown, sayThrown } from '../../contract/thrown.ts';

/** A handler throws it to make the message a dead letter at once, with this text as the reason. */
export class RejectError extends Error {
  override readonly name = 'RejectError';

  /** The dead letter has `reason`, up to 2,000 characters. */
  constructor(reason: string, options?: { readonly cause?: unknown }) {
    super(reason, options);
    Object.defineProperty(this, REJECT_BRAND, { value: true });
  }
}

/** Whether `value` is a RejectError, also one of another copy of this package. */
export function isRejectError(value: unknown): value is RejectError {
  return hasBrand(value, REJECT_BRAND);
}

/** The value that a handler returned cannot be sent. A retry would repeat finished work and fail again. */
export class InvalidOutputError extends RejectError {
  /** INVALID_ARGUMENT or PAYLOAD_TOO_LARGE. */
  readonly error: BusbarError;

  constructor(what: string, error: BusbarError) {
    super(`${what} is invalid: ${error.message}`, { cause: error });
    this.error = error;
  }
}

/** A failed attempt. */
export interface Failure {
  /** The error of the handler. */
  readonly thrown: unknown;
  /** HANDLER_FAILED with `thrown` as its cause. */
  readonly error: BusbarError;
  /** The reason in the history of the message, at most 2,000 characters. */
  readonly reason: string;
  /** Whether the handler threw a RejectError. */
  readonly isRejected: boolean;
  /** Whether the message becomes a dead letter. */
  readonly isFinal: boolean;
}

/** The header with a message's own `maxAttempts`, for its consumer. */
const MAX_ATTEMPTS_HEADER = 'bus-max-attempts';

/** The header for the consumer of a message with its own `maxAttempts`. */
export function attemptsHeader(maxAttempts: number | undefined): Record<string, string> | undefined {
  return maxAttempts === undefined ? undefined : { [MAX_ATTEMPTS_HEADER]: String(maxAttempts) };
}

/** The failure of `delivery`; `maxAttempts` is from the settings of the queue. */
export function toFailure(thrown: unknown, delivery: Delivery, maxAttempts: number): Failure {
  const isRejected = isRejectError(thrown);
  const reason = reasonOf(thrown);
  const own = Number(delivery.headers[MAX_ATTEMPTS_HEADER] ?? maxAttempts);
  const isFinal = isRejected || delivery.attempt >= (Number.isFinite(own) ? own : maxAttempts);
  const text = `the handler failed at attempt ${delivery.attempt}: ${reason}`;
  const error = new BusbarError('HANDLER_FAILED', text, {
    cause: thrown,
    hint: isFinal ? 'The message is a dead letter now.' : 'The message is retried.',
    retryable: !isFinal,
  });
  return { thrown, error, reason, isRejected, isFinal };
}

/** `thrown` as the text of a reason. */
export function reasonOf(thrown: unknown): string {
  const { message, code } = readThrown(thrown);
  if (isRejectError(thrown)) return message;
  return isBusbarError(thrown) ? cutText(`${code}: ${message}`) : sayThrown(thrown);
}

/** An error as plain JSON, without a stack. */
export interface FailureRecord {
  readonly name: string;
  readonly message: string;
  /** The `code` of the error, such as ENOENT or a code of Busbar. */
  readonly code?: string;
  readonly hint?: string;
}

/** `thrown` as JSON. Never throws. */
export function toFailureRecord(thrown: unknown): FailureRecord {
  const { name, message, code, hint } = readThrown(thrown);
  return {
    name,
    message,
    ...(code !== undefined && { code }),
    ...(isBusbarError(thrown) && hint !== undefined && { hint }),
  };
}

/** A record that another process wrote. Its texts are cut: they may be of any length. */
export function readFailureRecord(data: Readonly<Record<string, unknown>> | undefined): FailureRecord {
  const { name, message, code, hint } = data ?? {};
  return {
    name: typeof name === 'string' ? cutText(name) : 'Error',
    message: typeof message === 'string' ? cutText(message) : 'unknown',
    ...(typeof code === 'string' && { code: cutText(code) }),
    ...(typeof hint === 'string' && { hint: cutText(hint) }),
  };
}

/** The error of a record: a BusbarError if it was one, else an Error with its name. */
export function fromFailureRecord({ name, message, code, hint }: FailureRecord): Error {
  if (name === 'BusbarError' && ERROR_CODES.includes(code as ErrorCode)) {
    return new BusbarError(code as ErrorCode, message, { hint });
  }
  return Object.assign(new Error(message), { name }, code !== undefined && { code });
}
