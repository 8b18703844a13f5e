/** Failures of handlers: RejectError, failed attempts, and failures as JSON. */

import { BusbarError, ERROR_CODES, type ErrorCode, isBusbarError, toBusbarError } from '../../contract/errors.ts';
import type { Delivery } from '../../contract/message.ts';

/** A handler throws it to make the message a dead letter at once, with this text as the reason. */
export class RejectError extends Error {
  override readonly name = 'RejectError';

  /** The dead letter has `reason`, up to 2,000 characters. */
  constructor(reason: string, options?: { readonly cause?: unknown }) {
    super(reason, options);
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

const MAX_TEXT = 2000;

/** The header for the consumer of a message with its own `maxAttempts`. */
export function attemptsHeader(maxAttempts: number | undefined): Record<string, string> | undefined {
  return maxAttempts === undefined ? undefined : { [MAX_ATTEMPTS_HEADER]: String(maxAttempts) };
}

/** The failure of `delivery`; `maxAttempts` is from the settings of the queue. */
export function toFailure(thrown: unknown, delivery: Delivery, maxAttempts: number): Failure {
  const isRejected = thrown instanceof RejectError;
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
  const text = thrown instanceof Error ? sayError(thrown) : String(toBusbarError(thrown).message);
  const reason = text.toWellFormed();
  return reason.length > MAX_TEXT ? `${reason.slice(0, MAX_TEXT - 3).toWellFormed()}...` : reason;
}

function sayError(error: Error): string {
  if (isBusbarError(error)) return `${error.code}: ${error.message}`;
  return error instanceof RejectError ? error.message : `${error.name}: ${error.message}`;
}

/** An error as plain JSON, without a stack. */
export interface FailureRecord {
  readonly name: string;
  readonly message: string;
  /** The `code` of the error, such as ENOENT or a code of Busbar. */
  readonly code?: string;
  readonly hint?: string;
}

/** `thrown` as JSON. */
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

/** The error of a record: a BusbarError if it was one, else an Error with its name. */
export function fromFailureRecord({ name, message, code, hint }: FailureRecord): Error {
  if (name === 'BusbarError' && ERROR_CODES.includes(code as ErrorCode)) {
    return new BusbarError(code as ErrorCode, message, { hint });
  }
  return Object.assign(new Error(message), { name }, code !== undefined && { code });
}

function cut(text: string): string {
  return text.toWellFormed().slice(0, MAX_TEXT).toWellFormed();
}
