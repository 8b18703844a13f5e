/** Messages and events for output: as a JSON object or as one line. */

import type { Message } from '@busbar/api/transport';
import { parseExact } from '../exact-json.ts';
import { printableLine, toJsonLine } from './printable.ts';

/** A message whose body is plain JSON. */
export type MessageView = Omit<Message, 'body' | 'contentType' | 'replyTo' | 'hops'> & {
  readonly body: unknown;
  readonly position?: string | undefined;
};

/** Decodes a body: JSON, text, or bytes as `{ "$base64": … }`. Null for an empty body. */
export function decodeBody({ body, contentType }: Pick<Message, 'body' | 'contentType'>): unknown {
  if (body.byteLength === 0) return null;
  const isJson = /^application\/json\b|\+json\b/i.test(contentType);
  if (!isJson && !/^text\//i.test(contentType)) return showBytes(body);
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
    return isJson ? parseExact(text) : text;
  } catch {
    // The content type is wrong, so it is shown as bytes.
    return showBytes(body);
  }
}

/** A value that the bus decoded, as plain JSON. */
export function showValue(value: unknown): unknown {
  if (value instanceof Uint8Array) return showBytes(value);
  return value ?? null;
}

/** A value as text; everything but a string as JSON. */
export function valueText(value: unknown): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? value : toJsonLine(showValue(value));
}

/** The other fields of a message for JSON output. */
export function detailsOf(message: Omit<MessageView, 'body'>): Record<string, unknown> {
  const { to, priority, correlationId, causationId, orderingKey, sentAt } = message;
  const headers = Object.fromEntries(Object.entries(message.headers).filter(([name]) => !name.startsWith('bus-')));
  return {
    to,
    sentAt: new Date(sentAt).toISOString(),
    priority,
    correlationId,
    causationId,
    orderingKey,
    ...(Object.keys(headers).length === 0 ? {} : { headers }),
  };
}

/** `12:30:05`, with the date if it is not today. */
export function timeOf(at: number): string {
  const iso = new Date(at - new Date(at).getTimezoneOffset() * 60_000).toISOString();
  const isToday = new Date(at).toDateString() === new Date().toDateString();
  return isToday ? iso.slice(11, 19) : `${iso.slice(0, 10)} ${iso.slice(11, 19)}`;
}

/** The body as one line of text. */
export function bodyLine(message: Pick<Message, 'body' | 'contentType'>, max?: number): string {
  return printableLine(valueText(decodeBody(message)), max);
}

function showBytes(bytes: Uint8Array): unknown {
  return { $base64: Buffer.from(bytes).toString('base64') };
}
