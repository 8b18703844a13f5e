/** Failures of handlers: RejectError, RetryError, failed attempts, and failures as JSON. */

import { BusbarError, ERROR_CODES, type ErrorCode, isBusbarError } from '../../contract/errors.ts';
import type { Delivery } from '../../contract/message.ts';
import { cutText, hasBrand, isA, REJECT_BRAND, RETRY_BRAND, readThrown, sayThrown } from '../../contract/thrown.ts';
import { checkBoolean, checkDuration, checkOptions, MAX_DURATION_MS } from '../../contract/validation.ts';
import { backoffMs, DEFAULT_RETRY, type RetryRule, retryAfter } from './backoff.ts';

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

/** What a {@link RetryError} says. */
export interface RetryErrorOptions {
  /** The wait before the next delivery, 0 to ten years. Default: that of the retry policy. */
  readonly afterMs?: number | undefined;
  /** With false the message is only postponed: the delivery is no failure, and its attempt does not count. Default true. */
  readonly countAttempt?: boolean | undefined;
  readonly cause?: unknown;
}

/** A handler throws it to say when the message is delivered again. Its text is the reason in the history. */
export class RetryError extends Error {
  override readonly name = 'RetryError';
  /** The wait before the next attempt; undefined for that of the retry policy. */
  readonly afterMs: number | undefined;
  /** Whether the attempt counts. */
  readonly countAttempt: boolean;

  /** Throws INVALID_ARGUMENT. */
  constructor(reason: string, options?: RetryErrorOptions) {
    checkOptions(options, ['afterMs', 'countAttempt', 'cause'], 'options of a RetryError');
    checkDuration(options?.afterMs, 'afterMs', { min: 0, max: MAX_DURATION_MS });
    checkBoolean(options?.countAttempt, 'countAttempt');
    super(reason, options !== undefined && 'cause' in options ? { cause: options.cause } : undefined);
    this.afterMs = options?.afterMs;
    this.countAttempt = options?.countAttempt ?? true;
    Object.defineProperty(this, RETRY_BRAND, { value: true });
  }
}

/** Whether `value` is a RetryError, also one of another copy of this package. */
function isRetryError(value: unknown): value is RetryError {
  return hasBrand(value, RETRY_BRAND);
}

/** Whether a handler threw `value` to postpone its message: no failure, and the attempt does not count. */
export function isSnooze(value: unknown): boolean {
  return isRetryError(value) && value.countAttempt === false;
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

/** The body of a message cannot be decoded, or does not match the schema of this process. */
export class InvalidMessageError extends Error {
  /** INVALID_ARGUMENT, with the issues. */
  readonly error: BusbarError;
  /** Whether it was decoded. Another process may have a schema that it matches. */
  readonly isDecoded: boolean;

  constructor(error: BusbarError, isDecoded: boolean) {
    super(error.message, { cause: error });
    this.error = error;
    this.isDecoded = isDecoded;
  }
}

/** What happens to a message whose body does not match the schema of a process. */
export type InvalidRule = 'retry' | 'reject' | 'release';

/** A failed attempt. */
export interface Failure {
  /** The error of the handler. */
  readonly thrown: unknown;
  /** HANDLER_FAILED with `thrown` as its cause. */
  readonly error: BusbarError;
  /** The reason in the history of the message, at most 2,000 characters. */
  readonly reason: string;
  /** The wait before the next delivery, in milliseconds; `reject` for a dead letter at once. */
  readonly next: number | 'reject';
  /** Whether the attempt counts. If not, the message is released. */
  readonly counts: boolean;
  /** Whether the message becomes a dead letter. */
  readonly isFinal: boolean;
}

/** When a released message whose body does not match is offered again. */
const INVALID_RELEASE_MS = 1000;
/** The header with a message's own `maxAttempts`, for its consumer. */
const MAX_ATTEMPTS_HEADER = 'bus-max-attempts';

/** The header for the consumer of a message with its own `maxAttempts`. */
export function attemptsHeader(maxAttempts: number | undefined): Record<string, string> | undefined {
  return maxAttempts === undefined ? undefined : { [MAX_ATTEMPTS_HEADER]: String(maxAttempts) };
}

/** What decides about a failed delivery. */
export interface FailureRules {
  /** From the settings of the queue. */
  readonly maxAttempts: number;
  readonly retry: RetryRule;
  readonly onInvalid: InvalidRule;
  /** Called with an error of the retry function. */
  readonly onError: (error: unknown) => void;
}

/** Whether a failure makes the message a dead letter, where its queue has `maxAttempts`. */
export function isLastAttempt({ attempt, headers }: Delivery, maxAttempts: number): boolean {
  const own = Number(headers[MAX_ATTEMPTS_HEADER] ?? maxAttempts);
  return attempt >= (Number.isFinite(own) ? own : maxAttempts);
}

/** The failure of `delivery`. */
export function toFailure(thrown: unknown, delivery: Delivery, { maxAttempts, ...rules }: FailureRules): Failure {
  const reason = reasonOf(thrown);
  const isLast = isLastAttempt(delivery, maxAttempts);
  const { next, counts = true } = nextAttempt(thrown, delivery, rules);
  const isFinal = next === 'reject' || (isLast && counts);
  const text = `the handler failed at attempt ${delivery.attempt}: ${reason}`;
  const error = new BusbarError('HANDLER_FAILED', text, {
    cause: thrown,
    hint: isFinal ? 'The message is a dead letter now.' : `The message is ${counts ? 'retried' : 'released'}.`,
    retryable: !isFinal,
  });
  return { thrown, error, reason, next, counts, isFinal };
}

function nextAttempt(
  thrown: unknown,
  { attempt, replyTo }: Delivery,
  rules: Omit<FailureRules, 'maxAttempts'>,
): Pick<Failure, 'next'> & { readonly counts?: boolean } {
  if (isRejectError(thrown)) return { next: 'reject' };
  if (isA(thrown, InvalidMessageError)) {
    // A requester waits for the refusal.
    if (!thrown.isDecoded || replyTo !== undefined || rules.onInvalid === 'reject') return { next: 'reject' };
    if (rules.onInvalid === 'release') return { next: INVALID_RELEASE_MS, counts: false };
  }
  const counts = !isSnooze(thrown);
  if (isRetryError(thrown) && typeof thrown.afterMs === 'number') return { next: thrown.afterMs, counts };
  try {
    return { next: retryAfter(rules.retry, attempt, thrown), counts };
  } catch (error) {
    rules.onError(error);
    return { next: backoffMs(DEFAULT_RETRY, attempt), counts };
  }
}

/** `thrown` as the text of a reason. */
export function reasonOf(thrown: unknown): string {
  const { message, code } = readThrown(thrown);
  if (isRejectError(thrown) || isRetryError(thrown) || isA(thrown, InvalidMessageError)) return message;
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
