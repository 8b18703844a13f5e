/** Errors that every backend has in the same words, and errors on their way between processes. */

import { BusbarError, type BusbarErrorOptions, ERROR_CODES, isBusbarError } from '../contract/errors.ts';
import { quote } from '../contract/names.ts';
import { textOf } from '../contract/thrown.ts';

/** Limit of a text that another process may put into an error of this one. */
const MAX_TEXT = 4_000;
const CODES: ReadonlySet<unknown> = new Set(ERROR_CODES);

/** NOT_FOUND for a queue. */
export function unknownQueue(name: string): BusbarError {
  return new BusbarError('NOT_FOUND', `there is no queue ${quote(name)}`, {
    hint: 'Check the name, or create the queue first.',
  });
}

/** CONFLICT for a queue that accepts no messages. */
export function queueFrozen(name: string): BusbarError {
  return new BusbarError('CONFLICT', `queue ${quote(name)} is frozen`, {
    hint: 'Configure it with frozen: false, then send again.',
  });
}

/** BACKPRESSURE for a queue that holds `maxLength` messages, where the backend reports the limit. */
export function queueFull(name: string, maxLength?: number): BusbarError {
  const count = maxLength === undefined ? '' : `: it holds ${maxLength} messages`;
  return new BusbarError('BACKPRESSURE', `queue ${quote(name)} is full${count}`, {
    hint: 'Slow down, consume faster, or raise maxLength.',
  });
}

/** POSITION_EXPIRED: retention has deleted events that a reader has not read. */
export function positionExpired(): BusbarError {
  return new BusbarError('POSITION_EXPIRED', 'the events at this position are no longer kept', {
    hint: "Continue from 'start' and expect a gap, or raise the retention.",
  });
}

/** The error of a handler as its caller gets it: HANDLER_FAILED unless it is a BusbarError. */
export function toHandlerError(error: unknown): BusbarError {
  return isBusbarError(error) ? error : handlerFailed(error);
}

/** HANDLER_FAILED with the text of `error`. */
export function handlerFailed(error: unknown): BusbarError {
  return new BusbarError('HANDLER_FAILED', textOf(error), { cause: error });
}

/** The fields of an error for another process. They leave out the transport's name, which the other end sets itself. */
export function encodeError({
  code,
  message,
  hint,
  outcome,
  retryable,
}: BusbarError): Readonly<Record<string, unknown>> {
  return { code, message, hint, outcome, retryable };
}

/** The error of fields from another process. An unknown code becomes INTERNAL. */
export function decodeError({
  code,
  message,
  hint,
  outcome,
  retryable,
}: Readonly<Record<string, unknown>>): BusbarError {
  const options: BusbarErrorOptions = {
    ...(typeof hint === 'string' ? { hint: cutText(hint) } : {}),
    ...(outcome === 'unknown' ? { outcome } : {}),
    ...(typeof retryable === 'boolean' ? { retryable } : {}),
  };
  const known = CODES.has(code) ? (code as BusbarError['code']) : 'INTERNAL';
  return new BusbarError(known, typeof message === 'string' ? cutText(message) : 'the other side failed', options);
}

/** `text` of another process, cut to a legal length. */
export function cutText(text: string): string {
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT - 3).toWellFormed()}...`;
}
