/** What the hub itself must know of a request's arguments; the store checks the rest. */

import { BusbarError, type From, invalid, type MessageInput } from '@busbar/api/transport';
import type { Head } from '../../wire/frame.ts';
import type { Client } from './operation.ts';

const NO_BODY = new Uint8Array(0);
const HINT = 'See docs/protocol.md.';

/** The bound that a request carries: null is none, and what is missing has the default of 30 s. */
export function bounds(head: Head): { timeoutMs?: number } {
  const { timeoutMs } = head;
  if (timeoutMs === undefined) return {};
  return { timeoutMs: unbounded(timeoutMs) };
}

/** Infinity for null; the store checks what is no number. */
export function unbounded(value: unknown): number {
  return value === null ? Number.POSITIVE_INFINITY : (value as number);
}

/** Of `head` those keys that it has: a key with undefined would be one that the store does not know. */
export function pick(head: Head, keys: readonly string[]): Record<string, unknown> {
  const picked: Record<string, unknown> = {};
  for (const key of keys) if (head[key] !== undefined) picked[key] = head[key];
  return picked;
}

/** Messages with their bodies, from whom they are. */
export function inputs({ messages }: Head, bodies: readonly Uint8Array[], { agent }: Client): MessageInput[] {
  if (!Array.isArray(messages)) throw invalid('messages must be an array', HINT);
  if (messages.length < bodies.length) {
    throw invalid(`there are ${messages.length} messages and ${bodies.length} bodies`, HINT);
  }
  for (const [index, message] of messages.entries()) {
    if (typeof message !== 'object' || message === null) throw invalid('a message must be an object', HINT);
    message.body = bodies[index] ?? NO_BODY;
    if (agent !== undefined) speakFor(message, agent);
  }
  return messages;
}

/** Who is let in as one agent sends as that one (what it leaves open is filled in). */
export function speakFor(message: { from?: unknown }, agent: string | undefined): void {
  if (agent === undefined) return;
  message.from ??= agent;
  if (message.from === agent) return;
  throw new BusbarError('PERMISSION_DENIED', `this client is ${agent} and cannot send as another`, {
    hint: 'Connect with the token of the other agent.',
  });
}

/** Where to begin; the store checks it. */
export function readFrom({ from }: Head): { from?: From } {
  return from === undefined ? {} : { from: from as From };
}

/** The only body of a request. */
export function onlyBody(bodies: readonly Uint8Array[]): Uint8Array {
  const [body] = bodies;
  if (bodies.length === 1 && body !== undefined) return body;
  throw invalid(`the request needs one body and has ${bodies.length}`, HINT);
}

/** A list of objects in a request. */
export function listOf<T>(value: unknown, name: string): T[] {
  if (Array.isArray(value)) return value as T[];
  throw invalid(`${name} must be an array`, HINT);
}

/** A number that a client made up to name something by. */
export function handleOf(value: unknown, name: string): number {
  if (Number.isSafeInteger(value)) return value as number;
  throw invalid(`${name} must be a whole number`, HINT);
}
