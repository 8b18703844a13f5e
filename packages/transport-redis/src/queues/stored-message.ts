/** A message as it lies on the server: a key, a head of two lines, and its body. */

import { createHash } from 'node:crypto';
import type { PreparedMessage } from '@busbar/api/driver';
import type { AttemptRecord, Message } from '@busbar/api/transport';

const MAX_KEY_BYTES = 200;

/** A message as it lies on the server. */
export interface Content {
  readonly key: string;
  /** `priority attempts ttl delay orderingKey`, of which scripts decide; then JSON with the rest. */
  readonly head: string;
  readonly body: Buffer;
}

/** What a message is called on the server: its id; a long one is hashed, since receipts and sets hold it too. */
export function keyOf(id: string): string {
  if (id.length <= MAX_KEY_BYTES && Buffer.byteLength(id) <= MAX_KEY_BYTES) return id;
  return `\n${createHash('sha256').update(id).digest('hex')}`;
}

export function toContent(message: PreparedMessage): Content {
  const { id, body, priority, orderingKey, delayMs, ttlMs, maxAttempts, headers, ...rest } = message;
  const key = keyOf(id);
  const said: Record<string, unknown> = rest;
  if (key !== id) said['id'] = id;
  for (const _ in headers) {
    said['headers'] = headers;
    break;
  }
  const head = `${priority} ${maxAttempts ?? 0} ${ttlMs ?? '-'} ${delayMs} ${orderingKey ?? ''}\n${JSON.stringify(said)}`;
  return { key, head, body: toBuffer(body) };
}

/** The message; `topic` is that of the log, where the head does not say it. */
export function toMessage(key: string, head: string, body: Buffer): Message {
  const end = head.indexOf('\n');
  const said = JSON.parse(head.slice(end + 1)) as Partial<Message>;
  const { priority, orderingKey } = readRules(head.slice(0, end));
  return {
    id: said.id ?? idOf(key),
    body: toBytes(body),
    contentType: said.contentType ?? 'application/octet-stream',
    headers: said.headers ?? {},
    type: said.type,
    from: said.from,
    to: said.to,
    topic: said.topic,
    priority,
    orderingKey,
    correlationId: said.correlationId,
    causationId: said.causationId,
    hops: said.hops ?? 0,
    replyTo: said.replyTo,
    sentAt: said.sentAt ?? 0,
  };
}

/** What the first line of a head says. */
export interface Rules {
  readonly priority: number;
  readonly maxAttempts: number | undefined;
  readonly ttlMs: number | undefined;
  readonly delayMs: number;
  readonly orderingKey: string | undefined;
}

/** Reads the first line of a head. */
export function readRules(line: string): Rules {
  const [priority = '4', maxAttempts = '0', ttl = '-', delay = '0', ...rest] = line.split('\n', 1)[0]?.split(' ') ?? [];
  const orderingKey = rest.join(' ');
  return {
    priority: Number(priority),
    maxAttempts: maxAttempts === '0' ? undefined : Number(maxAttempts),
    ttlMs: ttl === '-' ? undefined : Number(ttl),
    delayMs: Number(delay),
    orderingKey: orderingKey === '' ? undefined : orderingKey,
  };
}

/** Ended attempts: their number, then one line of JSON each. */
export function readTries(text: string): { readonly attempts: number; readonly history: readonly AttemptRecord[] } {
  if (text === '') return { attempts: 0, history: [] };
  const [attempts = '0', ...lines] = text.split('\n');
  const history = lines.filter((line) => line !== '').map((line) => readAttempt(line));
  return { attempts: Number(attempts), history };
}

/** The reverse of {@link readTries}. */
export function writeTries(attempts: number, history: readonly AttemptRecord[]): string {
  if (attempts === 0 && history.length === 0) return '';
  return [String(attempts), ...history.map((record) => JSON.stringify(record))].join('\n');
}

export function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A copy: what came lies in a block that is shared with other replies. */
export function toBytes(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer);
}

/** An id that an older message has still has the place of its message behind it. */
function idOf(key: string): string {
  const end = key.indexOf('\n');
  return end <= 0 ? key : key.slice(0, end);
}

function readAttempt(line: string): AttemptRecord {
  const { attempt, endedAt, outcome, reason, consumer } = JSON.parse(line) as AttemptRecord;
  return { attempt, endedAt, outcome, reason, consumer };
}
