/** A message as the server stores it: key, envelope and body. */

import { createHash } from 'node:crypto';
import { decodeFields, encodeFields, type PreparedMessage } from '@busbar/api/driver';
import type { AttemptRecord, Message } from '@busbar/api/transport';
import type { Argument } from '../connection/encode-command.ts';

const MAX_KEY_BYTES = 200;
const LINE_END = 10;
/** Of brief envelopes. Scripts know them by their first byte, which is no digit. */
const LETTERS: ReadonlyMap<string | undefined, string> = new Map([
  ['application/json', 'j'],
  ['application/octet-stream', 'b'],
]);
const CONTENT_TYPES: ReadonlyMap<string | undefined, string | undefined> = new Map(
  [...LETTERS].map(([contentType, letter]) => [letter, contentType]),
);

/** A message as the server stores it. */
export interface StoredMessage {
  readonly key: string;
  /**
   * A line `priority maxAttempts ttl delay orderingKey` that scripts read, then JSON with the other fields. A message that has only
   * a content type and a time has a letter and a number instead: 9 characters, where 100,000 messages would have 77 each.
   */
  readonly envelope: string;
  readonly body: Buffer;
}

/** The key of a message: its id. A long id is hashed, since receipts and sorted sets hold the key too. */
export function keyOf(id: string): string {
  // A character has at most three bytes.
  if (id.length * 3 <= MAX_KEY_BYTES || Buffer.byteLength(id) <= MAX_KEY_BYTES) return id;
  return `\n${createHash('sha256').update(id).digest('hex')}`;
}

export function toStoredMessage(message: PreparedMessage): StoredMessage {
  const key = keyOf(message.id);
  return { key, envelope: briefEnvelope(message, key) ?? fullEnvelope(message, key), body: toBuffer(message.body) };
}

/** Undefined for a message that has options or other fields. */
function briefEnvelope(message: PreparedMessage, key: string): string | undefined {
  const { sentAt, delayMs, ttlMs, maxAttempts } = message;
  if (delayMs !== 0 || ttlMs !== undefined || maxAttempts !== undefined || key !== message.id) return undefined;
  if (message.topic !== undefined || !Number.isSafeInteger(sentAt) || sentAt < 0) return undefined;
  for (const name in encodeFields(message)) if (name !== 'id' && name !== 'contentType') return undefined;
  const letter = LETTERS.get(message.contentType);
  return letter && letter + timeText(sentAt);
}

function fullEnvelope(message: PreparedMessage, key: string): string {
  const { topic, sentAt, priority, orderingKey, delayMs, ttlMs, maxAttempts } = message;
  const { id, contentType, priority: _, orderingKey: __, ...fields } = encodeFields(message);
  if (topic !== undefined) fields['topic'] = topic;
  if (key !== id) fields['id'] = id;
  const rules = `${priority} ${maxAttempts ?? 0} ${ttlMs ?? '-'} ${delayMs} ${orderingKey ?? ''}`;
  return `${rules}\n${JSON.stringify({ ...fields, contentType, sentAt })}`;
}

let lastTime = 0;
let lastTimeText = '0';

/** Many messages have the same time, and the text of a large number is slow to make. */
function timeText(time: number): string {
  if (time !== lastTime) [lastTime, lastTimeText] = [time, time.toString(36)];
  return lastTimeText;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte <= 57;
}

/** The value that a queue stores: the envelope, a line end, the body. */
export function joinStored({ envelope, body }: StoredMessage): Argument {
  return { head: `${envelope}\n`, body };
}

/** The reverse of {@link joinStored}. A brief envelope has one line, another one has two. */
export function splitStored(stored: Buffer): readonly [envelope: string, body: Buffer] {
  let end = stored.indexOf(LINE_END);
  if (isDigit(stored[0])) end = stored.indexOf(LINE_END, end + 1);
  return [stored.toString('utf8', 0, Math.max(0, end)), stored.subarray(end + 1)];
}

/** The reverse of {@link toStoredMessage}. The caller adds the topic of an event of the log. */
export function toMessage(key: string, envelope: string, body: Buffer): Message {
  const contentType = CONTENT_TYPES.get(envelope[0]);
  if (contentType !== undefined) {
    return decodeFields({ id: idOf(key), contentType, sentAt: Number.parseInt(envelope.slice(1), 36) }, toBytes(body));
  }
  const end = envelope.indexOf('\n');
  // The store may have lost the envelope.
  const fields = JSON.parse(envelope.slice(end + 1) || '{}') as { -readonly [Name in keyof Message]?: Message[Name] };
  const { priority, orderingKey } = parseRules(envelope);
  fields.id ??= idOf(key);
  fields.priority = priority;
  fields.orderingKey = orderingKey;
  return decodeFields(fields, toBytes(body));
}

/** The first line of an envelope. */
export interface DeliveryRules {
  readonly priority: number;
  readonly maxAttempts: number | undefined;
  readonly ttlMs: number | undefined;
  readonly delayMs: number;
  readonly orderingKey: string | undefined;
}

/** The rules of a message without options, as in a brief envelope. */
const PLAIN_RULES: DeliveryRules = {
  ...{ priority: 4, maxAttempts: undefined, ttlMs: undefined, delayMs: 0, orderingKey: undefined },
};
const RULES = /^(\d) (\d+) (\S+) (\S+) ([^\n]*)/;

export function parseRules(envelope: string): DeliveryRules {
  const rules = RULES.exec(envelope);
  if (rules === null) return PLAIN_RULES;
  const [, priority, maxAttempts, ttlMs, delayMs, orderingKey] = rules;
  return {
    priority: Number(priority),
    maxAttempts: maxAttempts === '0' ? undefined : Number(maxAttempts),
    ttlMs: ttlMs === '-' ? undefined : Number(ttlMs),
    delayMs: Number(delayMs),
    orderingKey: orderingKey === '' ? undefined : orderingKey,
  };
}

/** Ended attempts: their number, then one line of JSON each. */
export interface Attempts {
  readonly attempts: number;
  readonly history: readonly AttemptRecord[];
}

export function parseAttempts(text: string): Attempts {
  if (text === '') return { attempts: 0, history: [] };
  const [attempts = '0', ...lines] = text.split('\n');
  const history = lines.filter((line) => line !== '').map((line) => parseAttempt(line));
  return { attempts: Number(attempts), history };
}

/** The reverse of {@link parseAttempts}. */
export function formatAttempts({ attempts, history }: Attempts): string {
  if (attempts === 0 && history.length === 0) return '';
  return [String(attempts), ...history.map((record) => JSON.stringify(record))].join('\n');
}

export function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A copy, since a reply shares its memory with other replies. */
export function toBytes(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer);
}

/** Scripts append a line with a sequence number to the key of a message whose id an older message still has. */
function idOf(key: string): string {
  const end = key.indexOf('\n');
  return end <= 0 ? key : key.slice(0, end);
}

/** Absent fields become undefined. */
function parseAttempt(line: string): AttemptRecord {
  const { attempt, endedAt, outcome, reason, consumer } = JSON.parse(line) as AttemptRecord;
  return { attempt, endedAt, outcome, reason, consumer };
}
