/** A message as columns and back. Bodies that are text are stored as text, so that people can read them. */

import { isUtf8 } from 'node:buffer';
import type { Headers, Message, StampedMessage } from '@busbar/api/transport';

/** How many columns a message has. */
export const CONTENT_COLUMNS = 18;

const NO_HEADERS: Headers = Object.freeze({});
const encoder = new TextEncoder();

/** Appends the columns of a message to the parameters of a statement. */
export function pushContent(parameters: unknown[], message: StampedMessage): void {
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
    toHeaderText(message.headers),
    message.sentAt,
    message.delayMs || null,
    message.ttlMs,
    message.maxAttempts,
    toStored(message.body),
  );
}

/** The message in a row whose columns begin at `from`. */
export function readContent(row: readonly unknown[], from: number): Message {
  return {
    id: row[from] as string,
    body: toBytes(row[from + 17] as string | Buffer),
    contentType: row[from + 1] as string,
    headers: toHeaders(row[from + 12] as string | null),
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
}

/** The message in such a row, with the rules that its sender gave. */
export function readStamped(row: readonly unknown[], from: number): StampedMessage {
  return {
    ...readContent(row, from),
    delayMs: (row[from + 14] as number | null) ?? 0,
    ttlMs: (row[from + 15] as number | null) ?? undefined,
    maxAttempts: (row[from + 16] as number | null) ?? undefined,
  };
}

/** Bytes as they are stored: text where that is the same bit for bit, which UTF-8 without NUL is. */
export function toStored(bytes: Uint8Array): string | Buffer {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return isUtf8(buffer) && !buffer.includes(0) ? buffer.toString('utf8') : buffer;
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
