/** Calls of a driver to the transport that it is made of. */

import type { CallContext, PreparedMessage } from '@busbar/api/driver';
import { BusbarError, type CallOptions, type MessageInput, toBusbarError } from '@busbar/api/transport';

/** An inner call ends this long before the outer one, whose error would say less. */
const MARGIN_MS = 5;

/** The bounds of a call of an inner transport: those of the outer one. */
export function boundsOf({ deadline, signal }: CallContext): Required<CallOptions> {
  return { timeoutMs: timeoutOf({ deadline }), signal };
}

/** The time of an inner call. A write needs no signal: its effect stays unknown when it is aborted, and a signal costs much of it. */
export function timeoutOf({ deadline }: Pick<CallContext, 'deadline'>): number {
  return Math.max(1, deadline - performance.now() - MARGIN_MS);
}

/** The same error without the operation and the transport, which the outer transport adds. */
export function ownError(error: unknown): BusbarError {
  const { code, message, hint, outcome, retryable, cause } = toBusbarError(error);
  return new BusbarError(code, message, { hint, outcome, retryable, cause });
}

/** The result of `work`; an error is one of the outer transport. */
export async function own<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw ownError(error);
  }
}

/** Results of messages; their errors are those of the outer transport. */
export function ownResults<R extends { readonly error?: BusbarError }>(results: R[]): R[] {
  return results.every(({ error }) => error === undefined) ? results : results.map(ownResult);
}

/** The result of a message; its error is one of the outer transport. */
export function ownResult<R extends { readonly error?: BusbarError }>(result: R): R {
  return result.error === undefined ? result : { ...result, error: ownError(result.error) };
}

/** The input of a message that was prepared: the inner transport prepares it again. */
export function toInput({ sentAt: _sentAt, topic: _topic, ...input }: PreparedMessage): MessageInput {
  return input;
}
