/** Messages on the wire: fields in the header, the body behind it. Fields with default values are left out. */

import type { PreparedMessage } from '@busbar/api/driver';
import { BusbarError, invalid, type Message, NORMAL_PRIORITY } from '@busbar/api/transport';
import type { Header } from './frame.ts';

const BINARY = 'application/octet-stream';
/** Field names, punctuation and numbers in a header. */
const HEADER_BYTES = 256;
/** One UTF-16 unit takes at most three bytes of UTF-8. */
const UNIT_BYTES = 3;

/** The fields of a message to send, without its body. */
export function encodeInput(message: PreparedMessage): Header {
  const { delayMs, ttlMs, maxAttempts } = message;
  const header = encodeFields(message);
  if (delayMs !== 0) header['delayMs'] = delayMs;
  if (ttlMs !== undefined) header['ttlMs'] = ttlMs;
  if (maxAttempts !== undefined) header['maxAttempts'] = maxAttempts;
  return header;
}

/** The fields of a message in a store, without its body. */
export function encodeMessage(message: Message): Record<string, unknown> {
  const header = encodeFields(message);
  if (message.topic !== undefined) header['topic'] = message.topic;
  header['sentAt'] = message.sentAt;
  return header;
}

/** The message from its fields and its body. Copies the body, which is a view of the input. */
export function decodeMessage(header: Header, body: Uint8Array | undefined): Message {
  const fields = header as Partial<Message>;
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

const TEXT_FIELDS = [
  'id',
  'contentType',
  'type',
  'from',
  'to',
  'orderingKey',
  'correlationId',
  'causationId',
  'replyTo',
];
const NUMBER_FIELDS = ['priority', 'hops', 'sentAt', 'delayMs', 'ttlMs', 'maxAttempts'];
const MAX_TEXT = 512;
const MAX_HEADER_UNITS = 16_384;

/** Validates a message that passes from one client to another: a call or a reply, which no store checks. */
export function checkMessage(
  header: unknown,
  body: Uint8Array | undefined,
  maxBodyBytes: number,
): asserts header is Header {
  if (typeof header !== 'object' || header === null)
    throw invalid('a message must be an object', 'See docs/protocol.md.');
  for (const [key, value] of Object.entries(header)) {
    const isLegal =
      (TEXT_FIELDS.includes(key) && typeof value === 'string' && value.length <= MAX_TEXT && value.isWellFormed()) ||
      (NUMBER_FIELDS.includes(key) && Number.isFinite(value)) ||
      (key === 'headers' && isHeaders(value));
    if (!isLegal)
      throw invalid(`the field ${JSON.stringify(key.slice(0, 60))} of a message is illegal`, 'See docs/protocol.md.');
  }
  if (body === undefined || body.byteLength <= maxBodyBytes) return;
  throw new BusbarError('PAYLOAD_TOO_LARGE', `the body has ${body.byteLength} bytes, the limit is ${maxBodyBytes}`, {
    hint: 'Store large data elsewhere and send a reference.',
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

function encodeFields(message: Message): Record<string, unknown> {
  const header: Record<string, unknown> = { id: message.id };
  if (message.contentType !== BINARY) header['contentType'] = message.contentType;
  for (const _ in message.headers) {
    header['headers'] = message.headers;
    break;
  }
  if (message.type !== undefined) header['type'] = message.type;
  if (message.from !== undefined) header['from'] = message.from;
  if (message.to !== undefined) header['to'] = message.to;
  if (message.priority !== NORMAL_PRIORITY) header['priority'] = message.priority;
  if (message.orderingKey !== undefined) header['orderingKey'] = message.orderingKey;
  if (message.correlationId !== undefined) header['correlationId'] = message.correlationId;
  if (message.causationId !== undefined) header['causationId'] = message.causationId;
  if (message.hops !== 0) header['hops'] = message.hops;
  if (message.replyTo !== undefined) header['replyTo'] = message.replyTo;
  return header;
}

/** Upper bound of the bytes that a message takes in a frame. */
export function sizeOfMessage(message: Message): number {
  let units = message.id.length + message.contentType.length;
  for (const name in message.headers) units += name.length + (message.headers[name]?.length ?? 0);
  const { type, from, to, orderingKey, correlationId, causationId, replyTo } = message;
  units += lengthOf(type) + lengthOf(from) + lengthOf(to) + lengthOf(orderingKey);
  units += lengthOf(correlationId) + lengthOf(causationId) + lengthOf(replyTo);
  return message.body.byteLength + HEADER_BYTES + units * UNIT_BYTES;
}

function lengthOf(text: string | undefined): number {
  return text === undefined ? 0 : text.length;
}
