/** A message as columns and back. Bodies that are text are stored as text, so that people can read them. */

import { isUtf8 } from 'node:buffer';
import { crc32 } from 'node:zlib';
import type { PreparedMessage } from '@busbar/api/driver';
import { BusbarError, type Headers, type Message, quote } from '@busbar/api/transport';

/** How many columns a message has. */
export const CONTENT_COLUMNS = 19;

const NO_HEADERS: Headers = Object.freeze({});
const encoder = new TextEncoder();
/** What `toString` of a Buffer does, without making one: half the time. Any Uint8Array will do. */
const { utf8Slice } = Buffer.prototype as unknown as {
  utf8Slice(this: Uint8Array, from: number, to: number): string;
};

/** Appends the columns of a message to the parameters of a statement. */
export function pushContent(parameters: unknown[], message: PreparedMessage): void {
  const headers = toHeaderText(message.headers);
  const body = toStored(message.body);
  parameters.push(
    message.id,
    message.contentType,
    message.type,
    message.from,
    message.to,
    message.topic,
    message.priority,
    message.orderingKey,
    message.correlationId,
    message.causationId,
    message.hops,
    message.replyTo,
    headers,
    message.sentAt,
    message.delayMs || null,
    message.ttlMs,
    message.maxAttempts,
    crcOf(message, headers, body),
    body,
  );
}

/** Whether a message has nothing but what every message has. */
export function isPlain(message: PreparedMessage): boolean {
  return (
    message.type === undefined &&
    message.from === undefined &&
    message.to === undefined &&
    message.topic === undefined &&
    message.orderingKey === undefined &&
    message.correlationId === undefined &&
    message.causationId === undefined &&
    message.replyTo === undefined &&
    message.delayMs === 0 &&
    message.ttlMs === undefined &&
    message.maxAttempts === undefined &&
    toHeaderText(message.headers) === null
  );
}

/** The message in a row whose columns begin at `from`. Throws INTERNAL when it is not what was written. */
export function readContent(row: readonly unknown[], from: number): Message {
  const headers = row[from + 12] as string | null;
  const stored = row[from + 18] as string | Buffer;
  const message = {
    id: row[from] as string,
    body: toBytes(stored),
    contentType: row[from + 1] as string,
    headers: toHeaders(headers),
    type: (row[from + 2] as string | null) ?? undefined,
    from: (row[from + 3] as string | null) ?? undefined,
    to: (row[from + 4] as string | null) ?? undefined,
    topic: (row[from + 5] as string | null) ?? undefined,
    priority: row[from + 6] as number,
    orderingKey: (row[from + 7] as string | null) ?? undefined,
    correlationId: (row[from + 8] as string | null) ?? undefined,
    causationId: (row[from + 9] as string | null) ?? undefined,
    hops: row[from + 10] as number,
    replyTo: (row[from + 11] as string | null) ?? undefined,
    sentAt: row[from + 13] as number,
  };
  if (row[from + 17] !== crcOf(message, headers, stored)) throw damaged(message.id);
  return message;
}

/** What tells whether the disk has changed a message. SQLite itself notices only what breaks the form of its pages. */
export function crcOf(message: Message, headers: string | null, body: string | Uint8Array): number {
  const { id, contentType, type, from, to, topic, orderingKey, correlationId, causationId, replyTo } = message;
  let rest = contentType;
  if (type !== undefined || from !== undefined || to !== undefined) rest += `\0${type}\0${from}\0${to}`;
  if (topic !== undefined || orderingKey !== undefined) rest += `\0${topic}\0${orderingKey}`;
  if (correlationId !== undefined || causationId !== undefined) rest += `\0${correlationId}\0${causationId}`;
  if (replyTo !== undefined || headers !== null) rest += `\0${replyTo}\0${headers}`;
  const head = `${id}\0${rest}\0`;
  // The same either way; one call takes half the time of two, unless the text is long.
  if (typeof body === 'string' && body.length < 4096) return crc32(head + body);
  return crc32(body, crc32(head));
}

/** The message in such a row, with the rules that its sender gave. */
export function readStamped(row: readonly unknown[], from: number): PreparedMessage {
  return {
    ...readContent(row, from),
    delayMs: (row[from + 14] as number | null) ?? 0,
    ttlMs: (row[from + 15] as number | null) ?? undefined,
    maxAttempts: (row[from + 16] as number | null) ?? undefined,
  };
}

function damaged(id: string): BusbarError {
  return new BusbarError('INTERNAL', `message ${quote(id)} is damaged: the disk does not give back what was written`, {
    hint: 'Look at the disk. The message stays where it is until it is cancelled or purged by its id.',
  });
}

/** Bytes as they are stored: text where that is the same bit for bit, which UTF-8 without NUL is. */
export function toStored(bytes: Uint8Array): string | Uint8Array {
  if (!isUtf8(bytes)) return bytes;
  const text = utf8Slice.call(bytes, 0, bytes.byteLength);
  return text.includes('\0') ? bytes : text;
}

/** Bytes that were stored, on memory of their own. */
export function toBytes(stored: string | Buffer): Uint8Array {
  return typeof stored === 'string' ? encoder.encode(stored) : new Uint8Array(stored);
}

/** How much of a bound on bytes a message takes. */
export function weigh(message: Message): number {
  return message.body.byteLength + (toHeaderText(message.headers)?.length ?? 0);
}

function toHeaderText(headers: Headers): string | null {
  for (const _ in headers) return JSON.stringify(headers);
  return null;
}

function toHeaders(text: string | null): Headers {
  return text === null ? NO_HEADERS : (JSON.parse(text) as Headers);
}
