/** What callers and responders say to each other over core NATS. */

import type { PreparedMessage } from '@busbar/api/driver';
import { BusbarError, type MessageInput, newId } from '@busbar/api/transport';
import { Reader, Writer } from './codec.ts';

/** How many replies may be on the way to a slow reader. */
export const WINDOW = 64;

/** Caller to whoever answers. */
export interface Request {
  /** How long the caller waits; undefined for as long as it takes. */
  readonly leftMs: number | undefined;
  readonly message: PreparedMessage;
}

/** Responder to caller. One without anything says that the call has been taken. */
export interface Answer {
  readonly replies: readonly PreparedMessage[];
  readonly isEnd: boolean;
  readonly error: BusbarError | undefined;
}

/** Caller to the responder that has its call: it has read so many more, or has left. */
export interface Control {
  readonly read?: number;
  readonly left?: true;
}

export function encodeRequest({ leftMs, message }: Request): Buffer {
  const writer = new Writer();
  return writer.finish({ leftMs, message: writer.message(message) });
}

export function decodeRequest(data: Uint8Array): Request {
  const reader = new Reader(data);
  const { leftMs, message } = reader.line as { leftMs?: number; message: never };
  return { leftMs, message: reader.message(message) };
}

export function encodeAnswer({ replies, isEnd, error }: Answer): Buffer {
  const writer = new Writer();
  const heads = replies.map((reply) => writer.message(reply));
  return writer.finish({ replies: heads, ...(isEnd && { end: true }), ...(error && { error: error.toJSON() }) });
}

export function decodeAnswer(data: Uint8Array): Answer {
  const reader = new Reader(data);
  const { replies, end, error } = reader.line as { replies: never[]; end?: boolean; error?: BusbarError };
  return { replies: replies.map((head) => reader.message(head)), isEnd: end === true, error: error && toError(error) };
}

/** A reply with everything that its sender left out. */
export function toReply(reply: MessageInput): PreparedMessage {
  return {
    id: reply.id ?? newId(),
    body: new Uint8Array(reply.body),
    contentType: reply.contentType ?? 'application/octet-stream',
    headers: reply.headers ?? {},
    type: reply.type,
    from: reply.from,
    to: reply.to,
    topic: undefined,
    priority: reply.priority ?? 4,
    orderingKey: reply.orderingKey,
    correlationId: reply.correlationId,
    causationId: reply.causationId,
    hops: reply.hops ?? 0,
    replyTo: reply.replyTo,
    sentAt: Date.now(),
    delayMs: 0,
    ttlMs: undefined,
    maxAttempts: undefined,
  };
}

/** The error that the other side had. Where it arose stays behind. */
function toError({ code, message, hint, outcome, retryable }: BusbarError): BusbarError {
  return new BusbarError(code, message, { outcome, retryable, ...(hint !== undefined && { hint }) });
}
