/** Messages on the wire: fields in the head of a frame, bodies behind it. What has its default is left out. */

import type { PreparedMessage } from '@busbar/api/driver';
import {
  BusbarError,
  type Headers,
  invalid,
  type Message,
  type MessageInput,
  NORMAL_PRIORITY,
  newId,
} from '@busbar/api/transport';
import type { Head } from './frame.ts';

const BINARY = 'application/octet-stream';
const NO_HEADERS: Headers = Object.freeze({});

/** What a hub is told of a message to send: the fields of a MessageInput without its body. */
export function toInputHead(message: PreparedMessage): Head {
  const { delayMs, ttlMs, maxAttempts } = message;
  const head = toHead(message);
  if (delayMs !== 0) head['delayMs'] = delayMs;
  if (ttlMs !== undefined) head['ttlMs'] = ttlMs;
  if (maxAttempts !== undefined) head['maxAttempts'] = maxAttempts;
  return head;
}

/** What a client is told of a message that a store holds. */
export function toMessageHead(message: Message): Record<string, unknown> {
  const head = toHead(message);
  if (message.topic !== undefined) head['topic'] = message.topic;
  head['sentAt'] = message.sentAt;
  return head;
}

/** The message that a head and a body make. The body is copied: it is a view of what was read. */
export function readMessage(head: Head, body: Uint8Array | undefined): Message {
  const fields = head as Partial<Message>;
  return {
    id: fields.id ?? '',
    body: body === undefined ? new Uint8Array(0) : new Uint8Array(body),
    contentType: fields.contentType ?? BINARY,
    headers: fields.headers ?? {},
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
    sentAt: fields.sentAt ?? 0,
  };
}

/** A reply of a handler as a message of its own. */
export function stampReply(reply: MessageInput): PreparedMessage {
  return {
    id: reply.id ?? newId(),
    body: reply.body,
    contentType: reply.contentType ?? BINARY,
    headers: reply.headers ?? NO_HEADERS,
    type: reply.type,
    from: reply.from,
    to: reply.to,
    topic: undefined,
    priority: reply.priority ?? NORMAL_PRIORITY,
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

const TEXTS = ['id', 'contentType', 'type', 'from', 'to', 'orderingKey', 'correlationId', 'causationId', 'replyTo'];
const NUMBERS = ['priority', 'hops', 'sentAt', 'delayMs', 'ttlMs', 'maxAttempts'];
const MAX_TEXT = 512;
const MAX_HEADER_UNITS = 16_384;

/**
 * Throws unless `head` and `body` make a message that may pass from one client to another: calls and their replies, which
 * no store checks.
 */
export function checkPassing(head: unknown, body: Uint8Array | undefined, maxBodyBytes: number): asserts head is Head {
  if (typeof head !== 'object' || head === null) throw invalid('a message must be an object', 'See docs/protocol.md.');
  for (const [key, value] of Object.entries(head)) {
    const isLegal =
      (TEXTS.includes(key) && typeof value === 'string' && value.length <= MAX_TEXT && value.isWellFormed()) ||
      (NUMBERS.includes(key) && Number.isFinite(value)) ||
      (key === 'headers' && isHeaders(value));
    if (!isLegal)
      throw invalid(`a message has an illegal ${JSON.stringify(key.slice(0, 60))}`, 'See docs/protocol.md.');
  }
  if (body === undefined || body.byteLength <= maxBodyBytes) return;
  throw new BusbarError('PAYLOAD_TOO_LARGE', `the body has ${body.byteLength} bytes, the limit is ${maxBodyBytes}`, {
    hint: 'Store large data elsewhere and send where it is.',
  });
}

function isHeaders(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  let units = 0;
  for (const [name, text] of Object.entries(value)) {
    if (!/^[a-z0-9-]{1,64}$/.test(name) || typeof text !== 'string' || !text.isWellFormed()) return false;
    units += name.length + text.length;
  }
  return units <= MAX_HEADER_UNITS;
}

function toHead(message: Message): Record<string, unknown> {
  const head: Record<string, unknown> = { id: message.id };
  if (message.contentType !== BINARY) head['contentType'] = message.contentType;
  for (const _ in message.headers) {
    head['headers'] = message.headers;
    break;
  }
  if (message.type !== undefined) head['type'] = message.type;
  if (message.from !== undefined) head['from'] = message.from;
  if (message.to !== undefined) head['to'] = message.to;
  if (message.priority !== NORMAL_PRIORITY) head['priority'] = message.priority;
  if (message.orderingKey !== undefined) head['orderingKey'] = message.orderingKey;
  if (message.correlationId !== undefined) head['correlationId'] = message.correlationId;
  if (message.causationId !== undefined) head['causationId'] = message.causationId;
  if (message.hops !== 0) head['hops'] = message.hops;
  if (message.replyTo !== undefined) head['replyTo'] = message.replyTo;
  return head;
}
