/** Messages of an export, the same from every driver (rule RA7). */

import type { BrowsedMessage, ExportedMessage } from '../contract/admin.ts';
import type { PreparedMessage } from '../contract/driver.ts';
import type { Message } from '../contract/message.ts';

/** Characters of one call of `String.fromCharCode`. */
const CHUNK = 8192;

/** A message of a queue. A lease is not exported; its attempt counts. */
export function toExportedMessage(
  { message, leaseLeftMs: _lease, consumer: _consumer, ...rest }: BrowsedMessage,
  { maxAttempts, ttlMs }: Pick<ExportedMessage, 'maxAttempts' | 'ttlMs'>,
): ExportedMessage {
  const state = rest.state === 'leased' ? 'ready' : rest.state;
  return { ...rest, state, ...withoutBody(message), maxAttempts, ttlMs };
}

/** An event, with the delivery options of its sender as far as the store has them. */
export function toExportedEvent(
  message: Message,
  options: Partial<Pick<ExportedMessage, 'delayLeftMs' | 'ttlLeftMs' | 'ttlMs' | 'maxAttempts'>> = {},
): ExportedMessage {
  const { delayLeftMs, ttlLeftMs, ttlMs, maxAttempts } = options;
  const past = { state: 'ready', attempts: 0, history: [], dead: undefined } as const;
  return { ...past, ...withoutBody(message), delayLeftMs, ttlLeftMs, ttlMs, maxAttempts };
}

/** The reverse of both, with the whole time to live; `ttlLeftMs` has the rest of it. A record that was read from a file has null or nothing for undefined fields. */
export function fromExportedMessage(exported: ExportedMessage): PreparedMessage {
  return {
    ...exported.message,
    body: fromBase64(exported.bodyBase64),
    delayMs: exported.delayLeftMs ?? 0,
    ttlMs: exported.ttlMs ?? exported.ttlLeftMs ?? undefined,
    maxAttempts: exported.maxAttempts ?? undefined,
  };
}

interface Base64Buffer {
  from(bytes: ArrayBufferLike, offset: number, length: number): { toString(encoding: 'base64'): string };
}

/** The Buffer of Node takes a tenth of the time. The api runs without it, too. */
const { Buffer: NodeBuffer } = globalThis as { readonly Buffer?: Base64Buffer };

/** Bytes as base64. */
export function toBase64(bytes: Uint8Array): string {
  if (NodeBuffer !== undefined) {
    return NodeBuffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
  }
  let binary = '';
  for (let from = 0; from < bytes.length; from += CHUNK) {
    binary += String.fromCharCode(...bytes.subarray(from, from + CHUNK));
  }
  return btoa(binary);
}

/** The reverse of {@link toBase64}. */
export function fromBase64(text: string): Uint8Array {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let index = 0; index < binary.length; index += 1) bytes[index] = binary.charCodeAt(index);
  return bytes;
}

function withoutBody({ body, ...message }: Message): Pick<ExportedMessage, 'message' | 'bodyBase64'> {
  return { message, bodyBase64: toBase64(body) };
}
