/** Replies as they travel: parts, progress, the response, a failure, a refusal. */

import { BusbarError } from '../../contract/errors.ts';
import type { Message, MessageInput } from '../../contract/message.ts';
import { type FailureRecord, fromFailureRecord, toFailureRecord } from '../consuming/failure.ts';
import type { BodyCodec } from '../messages/body-codec.ts';
import { readObject } from '../registry/agent-info.ts';

/**
 * What a reply is. `part` and `progress` come before the end; `final` (the response; no header says so), `failed` (the
 * handler threw) and `refused` (the request never reached a handler) are the end.
 */
export type ReplyKind = 'part' | 'progress' | 'final' | 'failed' | 'refused';

/** The header that says what a reply is. */
export const KIND_HEADER = 'bus-kind';

const encoder = new TextEncoder();
const JSON_TYPE = 'application/json';

/** A reply that carries a value. */
export function toReply(bodies: BodyCodec, kind: 'part' | 'progress' | 'final', value: unknown): MessageInput {
  const encoded = bodies.encode(value);
  return kind === 'final' ? encoded : { ...encoded, headers: { [KIND_HEADER]: kind } };
}

/** A reply that says why there is no response. */
export function toFailedReply(kind: 'failed' | 'refused', thrown: unknown): MessageInput {
  const body = encoder.encode(JSON.stringify(toFailureRecord(thrown)));
  return { body, contentType: JSON_TYPE, headers: { [KIND_HEADER]: kind } };
}

/** What a reply is, by its headers. */
export function kindOf({ headers }: Pick<MessageInput, 'headers'>): ReplyKind {
  const kind = headers?.[KIND_HEADER];
  return kind === 'part' || kind === 'progress' || kind === 'failed' || kind === 'refused' ? kind : 'final';
}

/** True for replies that others follow. */
export function isPart(reply: Pick<MessageInput, 'headers'>): boolean {
  const kind = kindOf(reply);
  return kind === 'part' || kind === 'progress';
}

/** The value of a reply. Throws what a failure or a refusal tells of: HANDLER_FAILED with its cause, or the refusal itself. */
export function readReply(bodies: BodyCodec, reply: Message, responder: string): unknown {
  const kind = kindOf(reply);
  if (kind !== 'failed' && kind !== 'refused') return bodies.decode(reply);
  const record = readRecord(reply.body);
  const cause = fromFailureRecord(record);
  if (kind === 'refused') throw cause instanceof BusbarError ? cause : new BusbarError('INTERNAL', cause.message);
  throw new BusbarError('HANDLER_FAILED', `the handler of ${responder} failed: ${cause.message}`, {
    cause,
    outcome: 'unknown',
    hint: 'Its error is the cause.',
  });
}

function readRecord(body: Uint8Array): FailureRecord {
  const { name, message, code, hint } = readObject(body) ?? {};
  return {
    name: typeof name === 'string' ? name : 'Error',
    message: typeof message === 'string' ? message : 'unknown',
    ...(typeof code === 'string' ? { code } : {}),
    ...(typeof hint === 'string' ? { hint } : {}),
  };
}
