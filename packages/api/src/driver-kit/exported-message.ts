/** Messages of an export, the same from every driver (rule RA7). */

import type { BrowsedMessage, ExportedMessage } from '../contract/admin.ts';
import type { PreparedMessage } from '../contract/driver.ts';
import type { Message } from '../contract/message.ts';

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
  from(text: string, encoding: 'base64'): Uint8Array;
}

/** The Buffer of Node takes a tenth of the time. The api runs without it, too. */
const { Buffer: NodeBuffer } = globalThis as { readonly Buffer?: Base64Buffer };

/** Bytes as base64. */
export function toBase64(bytes: Uint8Array): string {
  if (NodeBuffer) return NodeBuffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** The reverse of {@link toBase64}. The bytes are a copy: small Buffers share their memory. */
export function fromBase64(text: string): Uint8Array {
  if (NodeBuffer) return new Uint8Array(NodeBuffer.from(text, 'base64'));
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

function withoutBody({ body, ...message }: Message): Pick<ExportedMessage, 'message' | 'bodyBase64'> {
  return { message, bodyBase64: toBase64(body) };
}
