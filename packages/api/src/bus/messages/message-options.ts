/** What may be said of a message beside its body, checked. */

import { invalid } from '../../contract/errors.ts';
import type { Headers, MessageInput } from '../../contract/message.ts';
import { quote } from '../../contract/names.ts';
import type { CallOptions } from '../../contract/transport.ts';
import { checkBoolean, checkOptions, describe } from '../../contract/validation.ts';

/** What may be said of every message. */
export interface MessageOptions extends CallOptions {
  /** 1–512 bytes. Default: new; inside of a handler one that follows from the id of what is handled. */
  readonly id?: string | undefined;
  /** Names `[a-z0-9-]{1,64}`, those with `bus-` in front are reserved. 16 KiB together. */
  readonly headers?: Headers | undefined;
  /** 0–9, higher first. Default 4. */
  readonly priority?: number | undefined;
  /** Id that ties messages together. */
  readonly correlationId?: string | undefined;
  /** Not delivered after this time, 1 or more. Default: never expires. */
  readonly ttlMs?: number | undefined;
}

/** What may be said of mail to an agent. */
export interface MailOptions extends MessageOptions {
  /** Not delivered before this time has passed. Default 0. */
  readonly delayMs?: number | undefined;
  /** How often it may be delivered before it is a dead letter, 1–1000. Default 5. */
  readonly maxAttempts?: number | undefined;
  /** Messages of one key are handled one at a time and in order. */
  readonly orderingKey?: string | undefined;
  /** Creates the inbox of an agent that does not exist yet, instead of NOT_FOUND. Default false. */
  readonly createInbox?: boolean | undefined;
}

/** What may be said of an event. */
export interface EventOptions extends MessageOptions {
  /** Not stored, at most once, only to who listens now. Default false. */
  readonly ephemeral?: boolean | undefined;
  /** In durable subscriptions, events of one key are handled one at a time and in order. */
  readonly orderingKey?: string | undefined;
}

const MESSAGE_KEYS = ['id', 'headers', 'priority', 'correlationId', 'ttlMs', 'timeoutMs', 'signal'];
/** What {@link MailOptions} may have. */
export const MAIL_KEYS: readonly string[] = [...MESSAGE_KEYS, 'delayMs', 'maxAttempts', 'orderingKey', 'createInbox'];
/** What {@link EventOptions} may have. */
export const EVENT_KEYS: readonly string[] = [...MESSAGE_KEYS, 'ephemeral', 'orderingKey'];
/** The options that are fields of a message; the transport checks their values. */
const FIELDS = [
  ...['id', 'priority', 'correlationId', 'ttlMs', 'delayMs', 'maxAttempts', 'orderingKey'],
] as const satisfies (keyof MessageInput)[];

const RESERVED = 'bus-';
const NONE: Headers = Object.freeze({});

/** Throws INVALID_ARGUMENT for unknown options and for reserved headers. Values of fields are checked by the transport. */
export function checkMessageOptions(options: unknown, keys: readonly string[], what: string): void {
  if (options === undefined) return;
  checkOptions(options, keys, what);
  const { headers, createInbox, ephemeral } = options as Record<string, unknown>;
  checkUserHeaders(headers);
  checkBoolean(createInbox, 'createInbox');
  checkBoolean(ephemeral, 'ephemeral');
}

/** The fields of a message that `options` give. */
export function toFields(options: object | undefined): Partial<MessageInput> {
  if (options === undefined) return {};
  const fields: Record<string, unknown> = {};
  const given = options as Record<string, unknown>;
  for (const field of FIELDS) if (given[field] !== undefined) fields[field] = given[field];
  return fields;
}

/** The bounds of the call that `options` give. */
export function toBounds({ timeoutMs, signal }: CallOptions = {}): CallOptions {
  return { timeoutMs, signal };
}

/** The headers without those of the bus itself (case H6): what handlers see. */
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
    throw invalid(`headers must be an object, not ${describe(headers)}`, 'Map names to strings.');
  }
  for (const name in headers) {
    if (name.startsWith(RESERVED)) {
      throw invalid(`the header ${quote(name)} is reserved`, 'Names with bus- in front belong to the bus.');
    }
  }
}
