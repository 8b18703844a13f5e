/** The failure of a handler as it travels: to the one who asked, into the state of a task. */

import { BusbarError, ERROR_CODES, type ErrorCode, isBusbarError } from '../errors.ts';

/** What is told of an error elsewhere: plain JSON, no stack. */
export interface FailureRecord {
  readonly name: string;
  readonly message: string;
  /** For an error of Busbar. */
  readonly code?: ErrorCode;
  readonly hint?: string;
}

const MAX_TEXT = 2000;

/** `thrown` as it travels. */
export function toFailureRecord(thrown: unknown): FailureRecord {
  if (!(thrown instanceof Error)) return { name: 'Error', message: cut(String(thrown)) };
  const { name, message } = thrown;
  if (!isBusbarError(thrown)) return { name: cut(name), message: cut(message) };
  const { code, hint } = thrown;
  return { name, message: cut(message), code, ...(hint === undefined ? {} : { hint: cut(hint) }) };
}

/** The error that a record tells of: a BusbarError where it was one, else an Error of that name. */
export function fromFailureRecord({ name, message, code, hint }: FailureRecord): Error {
  if (code !== undefined && ERROR_CODES.includes(code)) {
    return new BusbarError(code, message, hint === undefined ? {} : { hint });
  }
  const error = new Error(message);
  error.name = name;
  return error;
}

function cut(text: string): string {
  return text.toWellFormed().slice(0, MAX_TEXT).toWellFormed();
}
