/** Messages on the wire: fields in the header, the body behind it. Fields with default values are left out. */

import { checkMessage, decodeFields, encodeFields, type PreparedMessage } from '@busbar/api/driver';
import { invalid, type Message } from '@busbar/api/transport';
import type { Header } from './frame.ts';

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
  return decodeFields(header as Partial<Message>, body === undefined ? new Uint8Array(0) : new Uint8Array(body));
}

/** Validates a message that passes from one client to another: a call or a reply, which no store checks. */
export function checkForwarded(header: unknown, body: Uint8Array, maxBodyBytes: number): asserts header is Header {
  if (typeof header !== 'object' || header === null)
    throw invalid('a message must be an object', 'See docs/protocol.md.');
  checkMessage({ ...header, body }, maxBodyBytes);
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
