/** Messages and errors of handlers, completed. */

import { NORMAL_PRIORITY } from '../contract/defaults.ts';
import type { PreparedMessage } from '../contract/driver.ts';
import { BusbarError, isBusbarError } from '../contract/errors.ts';
import { newId } from '../contract/id.ts';
import type { Headers, MessageInput } from '../contract/message.ts';

const NO_HEADERS: Headers = Object.freeze({});

/** `input` with all defaults, such as a handler's reply on the fast path. It checks and copies nothing. */
export function completeMessage(
  input: MessageInput,
  {
    body = input.body,
    headers = input.headers ?? NO_HEADERS,
    topic,
  }: { readonly body?: Uint8Array; readonly headers?: Headers; readonly topic?: string | undefined } = {},
): PreparedMessage {
  return {
    id: input.id ?? newId(),
    body,
    contentType: input.contentType ?? 'application/octet-stream',
    headers,
    type: input.type,
    from: input.from,
    to: input.to,
    topic,
    priority: input.priority ?? NORMAL_PRIORITY,
    orderingKey: input.orderingKey,
    correlationId: input.correlationId,
    causationId: input.causationId,
    hops: input.hops ?? 0,
    replyTo: input.replyTo,
    sentAt: Date.now(),
    delayMs: input.delayMs ?? 0,
    ttlMs: input.ttlMs,
    maxAttempts: input.maxAttempts,
  };
}

/** The error of a handler as its caller gets it: HANDLER_FAILED unless it is a BusbarError. */
export function toHandlerError(error: unknown): BusbarError {
  return isBusbarError(error) ? error : handlerFailed(error);
}

/** HANDLER_FAILED with the text of `error`. */
export function handlerFailed(error: unknown): BusbarError {
  const text = error instanceof Error ? error.message : String(error);
  return new BusbarError('HANDLER_FAILED', text, { cause: error });
}
