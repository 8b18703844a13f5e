/** The options of messages and events. */

import type { CallOptions } from '../../contract/call-options.ts';
import { invalid } from '../../contract/errors.ts';
import type { Headers, MessageInput } from '../../contract/message.ts';
import { quote } from '../../contract/names.ts';
import { checkBoolean, checkOptions, describe } from '../../contract/validation.ts';

/** Options of every message. */
export interface MessageOptions extends CallOptions {
  /** 1–512 bytes. Default: a new id; in a handler, an id derived from that of the handled message. */
  readonly id?: string | undefined;
  /** Names match `[a-z0-9-]{1,64}`; the prefix `bus-` is reserved. At most 16 KiB together. */
  readonly headers?: Headers | undefined;
  /** 0–9, higher first. Default 4. */
  readonly priority?: number | undefined;
  /** An id that relates messages to each other. */
  readonly correlationId?: string | undefined;
  /** The message expires after this time, 1 or more. Default: never. */
  readonly ttlMs?: number | undefined;
}

/** Options of a message to an agent. */
export interface MailOptions extends MessageOptions {
  /** The message is delivered after this delay. Default 0. */
  readonly delayMs?: number | undefined;
  /** The attempts before the message becomes a dead letter, 1–1000. Default 5. */
  readonly maxAttempts?: number | undefined;
  /** Messages with the same key are handled one at a time and in order. */
  readonly orderingKey?: string | undefined;
  /** Creates the inbox of an agent that does not exist yet, instead of NOT_FOUND. Default false. */
  readonly createInbox?: boolean | undefined;
}

/** Options of an event. */
export interface EventOptions extends MessageOptions {
  /** The event is not stored; only present live subscribers get it, at most once. Default false. */
  readonly ephemeral?: boolean | undefined;
  /** A durable subscription handles events with the same key one at a time and in order. */
  readonly orderingKey?: string | undefined;
}

const MESSAGE_KEYS = ['id', 'headers', 'priority', 'correlationId', 'ttlMs', 'timeoutMs', 'signal'];
/** The keys of {@link MailOptions}. */
export const MAIL_KEYS: readonly string[] = [...MESSAGE_KEYS, 'delayMs', 'maxAttempts', 'orderingKey', 'createInbox'];
/** The keys of {@link EventOptions}. */
export const EVENT_KEYS: readonly string[] = [...MESSAGE_KEYS, 'ephemeral', 'orderingKey'];
/** Options that are fields of a message. The transport checks their values. */
const FIELDS = [
  ...['id', 'priority', 'correlationId', 'ttlMs', 'delayMs', 'maxAttempts', 'orderingKey'],
] as const satisfies (keyof MessageInput)[];

const RESERVED = 'bus-';
const NONE: Headers = Object.freeze({});
const NO_BOUNDS: CallOptions = Object.freeze({});

/** Throws INVALID_ARGUMENT for unknown options and reserved headers. The transport checks the values of fields. */
export function checkMessageOptions(options: unknown, keys: readonly string[], what: string): void {
  if (options === undefined) return;
  checkOptions(options, keys, what);
  const { headers, createInbox, ephemeral } = options as Record<string, unknown>;
  checkUserHeaders(headers);
  checkBoolean(createInbox, 'createInbox');
  checkBoolean(ephemeral, 'ephemeral');
}

/** The fields of a message in `options`. */
export function toFields(options: object | undefined): Partial<MessageInput> {
  if (options === undefined) return {};
  const fields: Record<string, unknown> = {};
  const given = options as Record<string, unknown>;
  for (const field of FIELDS) if (given[field] !== undefined) fields[field] = given[field];
  return fields;
}

/** The bounds of the call in `options`. */
export function toBounds(options: CallOptions | undefined): CallOptions {
  if (options === undefined) return NO_BOUNDS;
  const { timeoutMs, signal } = options;
  return { timeoutMs, signal };
}

/** The headers for handlers, without the bus's own (case H6). */
export function userHeaders(headers: Headers): Headers {
  let isClean = true;
  for (const name in headers) if (name.startsWith(RESERVED)) isClean = false;
  if (isClean) return headers;
  const own = Object.entries(headers).filter(([name]) => !name.startsWith(RESERVED));
  return own.length === 0 ? NONE : Object.freeze(Object.fromEntries(own));
}

function checkUserHeaders(headers: unknown): void {
  if (headers === undefined) return;
  if (typeof headers !== 'object' || headers === null) {
    throw invalid(`headers must be an object, not ${describe(headers)}`, 'Pass an object of strings.');
  }
  for (const name in headers) {
    if (name.startsWith(RESERVED)) {
      throw invalid(`the header ${quote(name)} is reserved`, 'The prefix bus- is reserved.');
    }
  }
}
