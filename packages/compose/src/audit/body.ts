/** What is recorded of a message: its fields, and the start of its body, redacted. */

import type { Headers, MessageInput } from '@busbar/api/transport';
import type { AuditSettings } from './options.ts';

/** The fields of a record that come from a message, as members of a JSON object with a comma in front. */
export type Describe = (message: MessageInput) => string;

const FIELDS = [
  ...(['id', 'from', 'to', 'type', 'correlationId', 'causationId', 'replyTo', 'orderingKey'] as const),
  ...(['delayMs', 'ttlMs'] as const),
];
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
  const describeBody = secrets.size === 0 ? startOf : redactedStartOf;
  return (message) => {
    let json = `,"bytes":${message.body.byteLength}`;
    for (const name of FIELDS) {
      const value = message[name];
      if (value !== undefined) json += `,"${name}":${JSON.stringify(value)}`;
    }
    const headers = message.headers && redactHeaders(message.headers, secrets);
    if (headers !== undefined) json += `,"headers":${JSON.stringify(headers)}`;
    if (limit > 0 && message.body.byteLength > 0) json += describeBody(message, limit, secrets);
    return json;
  };
}

function startOf({ body, contentType = '' }: MessageInput, limit: number): string {
  const start = Buffer.from(body.buffer, body.byteOffset, Math.min(body.byteLength, limit));
  if (!TEXT.test(contentType)) return `,"bodyBase64":"${start.toString('base64')}"`;
  const text = start.toString();
  return `,"body":${JSON.stringify(body.byteLength > limit ? text.replace(/\uFFFD+$/, '') : text)}`;
}

/** Only JSON can be redacted. */
function redactedStartOf(
  { body, contentType = '' }: MessageInput,
  limit: number,
  secrets: ReadonlySet<string>,
): string {
  if (!JSON_TYPE.test(contentType) || body.byteLength > MAX_REDACTED_BYTES) return '';
  try {
    const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString();
    const value: unknown = JSON.parse(text, (key, member: unknown) =>
      secrets.has(key.toLowerCase()) ? REDACTED : member,
    );
    return `,"body":${JSON.stringify(JSON.stringify(value).slice(0, limit))}`;
  } catch {
    return ''; // It is not JSON.
  }
}

function redactHeaders(headers: Headers, secrets: ReadonlySet<string>): Headers | undefined {
  const names = Object.keys(headers);
  if (names.length === 0) return undefined;
  if (secrets.size === 0) return headers;
  return Object.fromEntries(names.map((name) => [name, secrets.has(name) ? REDACTED : (headers[name] ?? '')]));
}
