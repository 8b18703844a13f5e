/** Converts messages to columns and back. Text bodies are stored as text, readable in a SQLite shell. */

import { isUtf8 } from 'node:buffer';
import type { PreparedMessage } from '@busbar/api/driver';
import { BusbarError, type Headers, type Message, quote } from '@busbar/api/transport';
import { crc32 } from './crc32.ts';

const NO_HEADERS: Headers = Object.freeze({});
const encoder = new TextEncoder();
/** `Buffer.toString('utf8')` for any Uint8Array, without creating a Buffer: half the time. */
const { utf8Slice } = Buffer.prototype as unknown as {
  utf8Slice(this: Uint8Array, from: number, to: number): string;
};

/** Appends the columns of a message to the parameters of a statement. */
export function pushMessage(parameters: unknown[], message: PreparedMessage): void {
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

/** Whether a message has no optional fields. */
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

/** Reads the message whose columns begin at index `from` of a row. Throws INTERNAL if its checksum does not match. */
export function readMessage(row: readonly unknown[], from: number): Message {
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

/** The checksum of a message. SQLite itself detects only damage to the structure of its pages. */
export function crcOf(message: Message, headers: string | null, body: string | Uint8Array): number {
  const { id, contentType, type, from, to, topic, orderingKey, correlationId, causationId, replyTo } = message;
  let rest = contentType;
  if (type !== undefined || from !== undefined || to !== undefined) rest += `\0${type}\0${from}\0${to}`;
  if (topic !== undefined || orderingKey !== undefined) rest += `\0${topic}\0${orderingKey}`;
  if (correlationId !== undefined || causationId !== undefined) rest += `\0${correlationId}\0${causationId}`;
  if (replyTo !== undefined || headers !== null) rest += `\0${replyTo}\0${headers}`;
  const head = `${id}\0${rest}\0`;
  // Both give the same sum. One call takes half the time of two, unless the text is long.
  if (typeof body === 'string' && body.length < 4096) return crc32(head + body);
  return crc32(body, crc32(head));
}

/** Like `readMessage`, with the delivery options of its sender. */
export function readPreparedMessage(row: readonly unknown[], from: number): PreparedMessage {
  return {
    ...readMessage(row, from),
    delayMs: (row[from + 14] as number | null) ?? 0,
    ttlMs: (row[from + 15] as number | null) ?? undefined,
    maxAttempts: (row[from + 16] as number | null) ?? undefined,
  };
}

function damaged(id: string): BusbarError {
  return new BusbarError('INTERNAL', `message ${quote(id)} is damaged: its checksum does not match`, {
    hint: 'Check the disk. The message stays in its queue until you cancel or purge it by its id.',
  });
}

/** Bytes as they are stored: as text if they are UTF-8 without NUL, which is the same bit for bit. */
export function toStored(bytes: Uint8Array): string | Uint8Array {
  if (!isUtf8(bytes)) return bytes;
  const text = utf8Slice.call(bytes, 0, bytes.byteLength);
  return text.includes('\0') ? bytes : text;
}

/** Stored bytes, copied. */
export function toBytes(stored: string | Buffer): Uint8Array {
  return typeof stored === 'string' ? encoder.encode(stored) : new Uint8Array(stored);
}

/** The size of a message for retention by bytes. */
export function sizeOf(message: Message): number {
  return message.body.byteLength + (toHeaderText(message.headers)?.length ?? 0);
}

function toHeaderText(headers: Headers): string | null {
  for (const _ in headers) return JSON.stringify(headers);
  return null;
}

function toHeaders(text: string | null): Headers {
  return text === null ? NO_HEADERS : (JSON.parse(text) as Headers);
}

/** The time at which a time to live ends; NULL for none. */
export function toExpiry(now: number, ttlMs: number | null | undefined): number | null {
  return ttlMs === undefined || ttlMs === null ? null : Math.ceil(now + ttlMs);
}
