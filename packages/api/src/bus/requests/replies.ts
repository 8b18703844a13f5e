/** Encodes and decodes replies: parts, progress, responses, failures, refusals. */

import { BusbarError, isBusbarError } from '../../contract/errors.ts';
import type { Message, MessageInput } from '../../contract/message.ts';
import { textOf } from '../../contract/thrown.ts';
import { fromFailureRecord, InvalidOutputError, readFailureRecord, toFailureRecord } from '../consuming/failure.ts';
import type { BodyCodec, PlainBodyCodec } from '../messages/body-codec.ts';
import { readObject } from '../messages/codec.ts';
import { type Later, later } from '../messages/later.ts';

/**
 * The kind of a reply. `part` and `progress` come first. The last reply is `final` (the response, without a header),
 * `failed` (the handler threw) or `refused` (no handler ran, or its response was too large).
 */
export type ReplyKind = 'part' | 'progress' | 'final' | 'failed' | 'refused';

/** The header with the kind of a reply. */
export const KIND_HEADER = 'bus-kind';

const encoder = new TextEncoder();
const JSON_TYPE = 'application/json';

type Encoder = Pick<BodyCodec, 'encode'>;
type ValueKind = 'part' | 'progress' | 'final';

/** A reply with a value. A promise of an asynchronous codec. */
export function toReply(bodies: PlainBodyCodec, kind: ValueKind, value: unknown): MessageInput;
export function toReply(bodies: BodyCodec, kind: ValueKind, value: unknown): Later<MessageInput>;
export function toReply(bodies: Encoder, kind: ValueKind, value: unknown): Later<MessageInput> {
  return later(bodies.encode(value), (encoded) =>
    kind === 'final' ? encoded : { ...encoded, headers: { [KIND_HEADER]: kind } },
  );
}

/** The response with the value that a handler returned. Throws InvalidOutputError: it cannot be sent. */
export function toResponse(bodies: PlainBodyCodec, value: unknown): MessageInput;
export function toResponse(bodies: BodyCodec, value: unknown): Later<MessageInput>;
export function toResponse(bodies: Encoder, value: unknown): Later<MessageInput> {
  try {
    const response = bodies.encode(value);
    return response instanceof Promise ? response.catch(refuseResponse) : response;
  } catch (error) {
    return refuseResponse(error);
  }
}

function refuseResponse(error: unknown): never {
  throw isBusbarError(error) ? new InvalidOutputError('the response of the handler', error) : error;
}

/** A reply with an error. */
export function toFailedReply(kind: 'failed' | 'refused', thrown: unknown): MessageInput {
  const body = encoder.encode(JSON.stringify(toFailureRecord(thrown)));
  return { body, contentType: JSON_TYPE, headers: { [KIND_HEADER]: kind } };
}

/** The kind of a reply. */
export function kindOf({ headers }: Pick<MessageInput, 'headers'>): ReplyKind {
  const kind = headers?.[KIND_HEADER];
  return kind === 'part' || kind === 'progress' || kind === 'failed' || kind === 'refused' ? kind : 'final';
}

/** Whether more replies follow. */
export function isPart(reply: Pick<MessageInput, 'headers'>): boolean {
  const kind = kindOf(reply);
  return kind === 'part' || kind === 'progress';
}

/** The value of a reply, or a promise of an asynchronous codec. Throws HANDLER_FAILED with its cause for a failure, and the error of a refusal. */
export function readReply(bodies: Pick<BodyCodec, 'decode'>, reply: Message, responder: string): unknown {
  const kind = kindOf(reply);
  if (kind !== 'failed' && kind !== 'refused') return bodies.decode(reply);
  const cause = fromFailureRecord(readFailureRecord(readObject(reply.body)));
  if (kind === 'refused') throw toRefusal(cause);
  throw new BusbarError('HANDLER_FAILED', `the handler of ${responder} failed: ${sayCause(cause)}`, {
    cause,
    outcome: 'unknown',
    hint: 'Its error is the cause.',
  });
}

function sayCause(cause: Error): string {
  return textOf(cause) || cause.name;
}

/** The error of a request that was refused. No handler ran, unless its response was too large. */
function toRefusal(cause: Error): BusbarError {
  if (!isBusbarError(cause)) return new BusbarError('INTERNAL', cause.message);
  const { code, message, hint } = cause;
  return code === 'PAYLOAD_TOO_LARGE' ? new BusbarError(code, message, { hint, outcome: 'unknown' }) : cause;
}
