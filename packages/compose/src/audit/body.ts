/** What is recorded of a message: its fields, and the start of its body, redacted. */

import type { PreparedMessage } from '@busbar/api/driver';
import type { Headers } from '@busbar/api/transport';
import type { AuditSettings } from './options.ts';

/** What a record says of a message. */
export interface Description {
  /** Fields, as members of a JSON object with a comma in front. */
  readonly json: string;
  /** The recorded part of the body. */
  readonly body?: Uint8Array | undefined;
}

export type Describe = (message: PreparedMessage) => Description;

const FIELDS = (['from', 'to', 'type', 'correlationId', 'causationId', 'replyTo', 'orderingKey', 'ttlMs'] as const).map(
  (name) => ({ name, start: `,"${name}":` }),
);
const TEXT = /^text\/|^application\/json\b|\+json\b/i;
const JSON_TYPE = /^application\/json\b|\+json\b/i;
const REDACTED = '***';
/** A larger body would have to be parsed as a whole: it is left out. */
const MAX_REDACTED_BYTES = 1_048_576;
/** A record must fit into a batch. */
const MAX_RECORDED_BYTES = 98_304;

/** Describes messages as the settings say. */
export function openDescribe({ bodies, redact }: Pick<AuditSettings, 'bodies' | 'redact'>): Describe {
  const limit = Math.min(MAX_RECORDED_BYTES, bodies === 'none' ? 0 : bodies === 'all' ? MAX_RECORDED_BYTES : bodies);
  const secrets = new Set(redact.map((name) => name.toLowerCase()));
  const isText = remembered((contentType) => TEXT.test(contentType));
  const startOf = secrets.size === 0 ? plainStart : redactedStart;
  return (message) => {
    let json = `,"bytes":${message.body.byteLength},"id":${JSON.stringify(message.id)}`;
    for (const { name, start } of FIELDS) {
      const value = message[name];
      if (value !== undefined) json += start + JSON.stringify(value);
    }
    if (message.delayMs > 0) json += `,"delayMs":${message.delayMs}`;
    const headers = redactHeaders(message.headers, secrets);
    if (headers !== undefined) json += `,"headers":${JSON.stringify(headers)}`;
    const body = limit === 0 || message.body.byteLength === 0 ? undefined : startOf(message, limit, secrets);
    if (body === undefined) return { json };
    return { json: `${json},"${isText(message.contentType) ? 'text' : 'binary'}":${body.byteLength}`, body };
  };
}

/** Messages often have the content type of the one before. */
function remembered(test: (text: string) => boolean): (text: string) => boolean {
  let known: string | undefined;
  let result = false;
  return (text) => {
    if (text !== known) {
      known = text;
      result = test(text);
    }
    return result;
  };
}

function plainStart({ body }: PreparedMessage, limit: number): Uint8Array {
  return body.byteLength > limit ? body.subarray(0, limit) : body;
}

/** Only JSON can be redacted. */
function redactedStart(
  { body, contentType }: PreparedMessage,
  limit: number,
  secrets: ReadonlySet<string>,
): Uint8Array | undefined {
  if (!JSON_TYPE.test(contentType) || body.byteLength > MAX_REDACTED_BYTES) return undefined;
  try {
    const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString();
    const value: unknown = JSON.parse(text, (key, member: unknown) =>
      secrets.has(key.toLowerCase()) ? REDACTED : member,
    );
    return Buffer.from(JSON.stringify(value)).subarray(0, limit);
  } catch {
    return undefined; // It is not JSON.
  }
}

function redactHeaders(headers: Headers, secrets: ReadonlySet<string>): Headers | undefined {
  if (isEmpty(headers)) return undefined;
  if (secrets.size === 0) return headers;
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, secrets.has(name) ? REDACTED : value]),
  );
}

function isEmpty(headers: Headers): boolean {
  for (const _ in headers) return false;
  return true;
}
