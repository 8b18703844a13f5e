/** Checks, completes and copies the messages that a sender gives. */

import { type Capabilities, requireFeature } from '../contract/capabilities.ts';
import { MAX_BATCH } from '../contract/defaults.ts';
import type { PreparedMessage } from '../contract/driver.ts';
import { bodyTooLarge, invalid } from '../contract/errors.ts';
import type { Headers, Message, MessageInput } from '../contract/message.ts';
import { checkQueueName, quote, utf8Length } from '../contract/names.ts';
import {
  checkArray,
  checkDuration,
  checkInteger,
  checkOptions,
  checkText,
  describe,
  hasControlCharacter,
  kindOf,
  MAX_DURATION_MS,
} from '../contract/validation.ts';
import { completeMessage } from '../driver-kit/message-fields.ts';
import { isPassedOn } from '../driver-kit/passed-on.ts';

const KEYS = [
  ...['id', 'body', 'contentType', 'headers', 'type', 'from', 'to', 'priority', 'orderingKey', 'correlationId'],
  ...['causationId', 'hops', 'replyTo', 'delayMs', 'ttlMs', 'maxAttempts'],
];
const HEADER_NAME = /^[a-z0-9-]{1,64}$/;
/** Most ids are such ones, which one look can tell. */
const ASCII_ID = /^[\x20-\x7e]{1,512}$/;
const MAX_HEADER_BYTES = 16_384;
const SLAB_BYTES = 8192;
const MAX_SHARED = 1024;
let slab = new ArrayBuffer(SLAB_BYTES);
let used = 0;
const NO_HEADERS: Headers = Object.freeze({});

/** Prepares a batch. Throws for the first illegal message, before any of them has an effect (rule RD2). */
export function prepareMessages(
  inputs: unknown,
  topic: string | undefined,
  capabilities: Capabilities,
): PreparedMessage[] {
  const prepared = isPassedOn(inputs) ? (inputs as PreparedMessage[]) : prepareAll(inputs, topic, capabilities);
  if (prepared.some(({ orderingKey }) => orderingKey !== undefined)) requireFeature(capabilities, 'orderingKeys');
  return prepared;
}

/** Prepares the message of a call. */
export function prepareCall(input: MessageInput, { maxBodyBytes }: Capabilities): PreparedMessage {
  return isPassedOn(input) ? (input as PreparedMessage) : prepareMessage(input, undefined, maxBodyBytes);
}

function prepareAll(inputs: unknown, topic: string | undefined, { maxBodyBytes }: Capabilities): PreparedMessage[] {
  checkArray(inputs, 'messages', MAX_BATCH);
  return inputs.map((input) => prepareMessage(input as MessageInput, topic, maxBodyBytes));
}

/** Prepares one message: checks every field, fills in defaults, copies the body and the headers. */
export function prepareMessage(input: MessageInput, topic: string | undefined, maxBodyBytes: number): PreparedMessage {
  checkFields(input, maxBodyBytes);
  return completeMessage(input, {
    body: copyBytes(input.body),
    headers: ownHeaders(input.headers),
    topic,
  });
}

/** Throws unless a message that another process has prepared is legal. */
export function checkMessage({ sentAt, ...input }: Partial<Message>, maxBodyBytes: number): void {
  checkFields(input, maxBodyBytes);
  ownHeaders(input.headers);
  if (sentAt !== undefined && !Number.isFinite(sentAt)) {
    throw invalid(`sentAt is illegal: ${describe(sentAt)}`, 'Use milliseconds since 1970.');
  }
}

/** All but the headers, which are checked when they are copied. */
function checkFields(input: Partial<MessageInput>, maxBodyBytes: number): void {
  if (typeof input !== 'object' || input === null) {
    throw invalid(`a message must be an object, not ${kindOf(input)}`, 'Give it at least a body.');
  }
  checkOptions(input, KEYS, 'message');
  checkId(input.id, 'message id');
  checkId(input.correlationId, 'correlationId');
  checkId(input.causationId, 'causationId');
  checkText(input.contentType, 'contentType', 255);
  checkText(input.type, 'type', 255);
  checkText(input.from, 'from', 255);
  checkText(input.to, 'to', 255);
  checkText(input.orderingKey, 'orderingKey', 255);
  if (input.replyTo !== undefined) checkQueueName(input.replyTo);
  checkInteger(input.priority, 'priority', { min: 0, max: 9 });
  checkInteger(input.hops, 'hops', { min: 0, max: 255 });
  checkInteger(input.maxAttempts, 'maxAttempts', { min: 1, max: 1000 });
  checkDuration(input.delayMs, 'delayMs', { min: 0, max: MAX_DURATION_MS });
  checkDuration(input.ttlMs, 'ttlMs', { min: 1, max: MAX_DURATION_MS });
  checkBody(input.body, maxBodyBytes);
}

/** Throws INVALID_ARGUMENT unless `id` is undefined or a legal message id. */
export function checkId(id: unknown, what: string): void {
  if (id === undefined || (typeof id === 'string' && ASCII_ID.test(id))) return;
  const legal =
    typeof id === 'string' && id !== '' && id.isWellFormed() && !hasControlCharacter(id) && utf8Length(id) <= 512;
  if (!legal) throw invalid(`${what} is illegal: ${describe(id)}`, 'Use 1 to 512 bytes without control characters.');
}

function checkBody(body: unknown, maxBodyBytes: number): void {
  if (!(body instanceof Uint8Array)) {
    throw invalid(`body must be a Uint8Array, not ${kindOf(body)}`, 'Encode it first; a Bus does that for you.');
  }
  if (body.byteLength > maxBodyBytes) {
    throw bodyTooLarge(body.byteLength, maxBodyBytes);
  }
}

function ownHeaders(headers: unknown): Headers {
  if (headers === undefined) return NO_HEADERS;
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers)) {
    throw invalid(`headers must be an object, not ${kindOf(headers)}`, 'Map names to strings.');
  }
  let bytes = 0;
  const own: [string, string][] = [];
  for (const [name, value] of Object.entries(headers)) {
    if (!HEADER_NAME.test(name)) throw invalid(`illegal header name ${quote(name)}`, 'Use 1 to 64 of a-z 0-9 and -.');
    if (typeof value !== 'string' || !value.isWellFormed()) {
      throw invalid(
        `header ${name} must be a well-formed string, not ${describe(value)}`,
        'Encode other values first.',
      );
    }
    bytes += name.length + utf8Length(value);
    own.push([name, value]);
  }
  if (bytes > MAX_HEADER_BYTES) {
    throw invalid(`the headers have ${bytes} bytes, the limit is ${MAX_HEADER_BYTES}`, 'Put large data into the body.');
  }
  return Object.freeze(Object.fromEntries(own));
}

/**
 * A copy of `bytes`. Small copies share an ArrayBuffer, since one for each message was a third of the cost of a send. So
 * the copy may go to a driver, but never to a user, who could read other messages through its `buffer`.
 */
function copyBytes(bytes: Uint8Array): Uint8Array {
  const { byteLength } = bytes;
  if (byteLength > MAX_SHARED) return new Uint8Array(bytes);
  if (used + byteLength > SLAB_BYTES) {
    slab = new ArrayBuffer(SLAB_BYTES);
    used = 0;
  }
  const own = new Uint8Array(slab, used, byteLength);
  own.set(bytes);
  used += byteLength;
  return own;
}
