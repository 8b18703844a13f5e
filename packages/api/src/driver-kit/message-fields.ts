/** Messages with all their fields, and as the fields that differ from a default. */

import { NORMAL_PRIORITY } from '../contract/defaults.ts';
import type { PreparedMessage } from '../contract/driver.ts';
import { newId } from '../contract/id.ts';
import type { Headers, Message, MessageInput } from '../contract/message.ts';

const BINARY = 'application/octet-stream';
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
    contentType: input.contentType ?? BINARY,
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

/** The fields of a message without its body, its topic and its time, and without fields that have their default value. */
export function encodeFields(message: Message): Record<string, unknown> {
  const fields: Record<string, unknown> = { id: message.id };
  if (message.contentType !== BINARY) fields['contentType'] = message.contentType;
  for (const _ in message.headers) {
    fields['headers'] = message.headers;
    break;
  }
  if (message.type !== undefined) fields['type'] = message.type;
  if (message.from !== undefined) fields['from'] = message.from;
  if (message.to !== undefined) fields['to'] = message.to;
  if (message.priority !== NORMAL_PRIORITY) fields['priority'] = message.priority;
  if (message.orderingKey !== undefined) fields['orderingKey'] = message.orderingKey;
  if (message.correlationId !== undefined) fields['correlationId'] = message.correlationId;
  if (message.causationId !== undefined) fields['causationId'] = message.causationId;
  if (message.hops !== 0) fields['hops'] = message.hops;
  if (message.replyTo !== undefined) fields['replyTo'] = message.replyTo;
  return fields;
}

/** The message of some of its fields: missing ones have their default value, `sentAt` the given time. It copies nothing. */
export function decodeFields(fields: Partial<Message>, body: Uint8Array, sentAt = 0): Message {
  return {
    id: fields.id ?? '',
    body,
    contentType: fields.contentType ?? BINARY,
    headers: fields.headers ?? NO_HEADERS,
    type: fields.type,
    from: fields.from,
    to: fields.to,
    topic: fields.topic,
    priority: fields.priority ?? NORMAL_PRIORITY,
    orderingKey: fields.orderingKey,
    correlationId: fields.correlationId,
    causationId: fields.causationId,
    hops: fields.hops ?? 0,
    replyTo: fields.replyTo,
    sentAt: fields.sentAt ?? sentAt,
  };
}
