/** Arguments of requests. The hub validates only what it uses itself; the store validates the rest. */

import { invalid, type MessageInput } from '@busbar/api/transport';
import type { Header } from '@busbar/wire';
import { decodeNumber } from '../../wire/value-codec.ts';
import { authorizeSender } from '../access-tokens.ts';

const NO_BODY = new Uint8Array(0);
const HINT = 'See docs/protocol.md.';

/** The options of an operation: `timeoutMs`, and those of `keys` that the header has. */
export function optionsOf(header: Header, keys: readonly string[] = []): { timeoutMs?: number } {
  const options: Record<string, unknown> = {};
  if (header['timeoutMs'] !== undefined) options['timeoutMs'] = decodeNumber(header['timeoutMs']);
  for (const key of keys) if (header[key] !== undefined) options[key] = header[key];
  return options;
}

/** Joins messages with their bodies and sets their sender. */
export function inputsOf(
  { messages }: Header,
  bodies: readonly Uint8Array[],
  agent: string | undefined,
): MessageInput[] {
  if (!Array.isArray(messages)) throw invalid('messages must be an array', HINT);
  if (messages.length < bodies.length) {
    throw invalid(`the request has ${messages.length} messages and ${bodies.length} bodies`, HINT);
  }
  for (const [index, message] of messages.entries()) {
    if (typeof message !== 'object' || message === null) throw invalid('a message must be an object', HINT);
    message.body = bodies[index] ?? NO_BODY;
    authorizeSender(message, agent);
  }
  return messages;
}

/** The only body of a request. */
export function singleBody(bodies: readonly Uint8Array[]): Uint8Array {
  const [body] = bodies;
  if (bodies.length === 1 && body !== undefined) return body;
  throw invalid(`the request needs one body and has ${bodies.length}`, HINT);
}

/** An array in a request; its items are not validated. */
export function arrayOf<T>(value: unknown, name: string): T[] {
  if (Array.isArray(value)) return value as T[];
  throw invalid(`${name} must be an array`, HINT);
}

/** An id that the client has chosen. */
export function idOf(value: unknown, name: string): number {
  if (Number.isSafeInteger(value)) return value as number;
  throw invalid(`${name} must be a whole number`, HINT);
}
