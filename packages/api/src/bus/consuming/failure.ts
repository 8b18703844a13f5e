/** The failure of a handler as it travels: to the one who asked, into the state of a task. */

import { BusbarError, ERROR_CODES, type ErrorCode, isBusbarError } from '../../contract/errors.ts';

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
