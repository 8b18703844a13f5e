/** Messages that were looked at and not received: as JSON, or as rows of a table. */

import type { BrowsedMessage } from '@busbar/api/transport';
import { formatDuration } from '../input/durations.ts';
import { bodyLine, decodeBody, timeOf } from './message-view.ts';
import { printableLine } from './printable.ts';
import { EXPIRED, STATE_WORDS, WAITING } from './states.ts';

/** Headings of {@link browsedRow}. */
export const BROWSED_HEADINGS: readonly string[] = ['*STATE', '?#ATTEMPT', '?SENT', '!ID', 'BODY'];

/** A message as a row. The state of a delayed one has the time that is left. `waitsFor`: the child that a parent waits for. */
export function browsedRow(browsed: BrowsedMessage, waitsFor?: string): string[] {
  const { message, attempts, delayLeftMs, dead } = browsed;
  const word = stateWord(browsed, waitsFor);
  const shown = delayLeftMs === undefined || word === WAITING ? word : `${word} ${formatDuration(delayLeftMs)}`;
  const why = waitsFor === undefined ? (dead?.reason ?? '') : `for ${printableLine(waitsFor)}`;
  const body = [why, bodyLine(message, 200)].filter((part) => part !== '').join(' — ');
  return [shown, String(attempts), timeOf(message.sentAt), message.id, body];
}

/** The word for its state. A message that waits beyond its time to live is delivered to no consumer. */
export function stateWord({ state, ttlLeftMs = 1 }: BrowsedMessage, waitsFor?: string): string {
  if (ttlLeftMs <= 0 && (state === 'ready' || state === 'delayed')) return EXPIRED;
  return waitsFor === undefined ? STATE_WORDS[state] : WAITING;
}

/** A message as a JSON object. */
export function browsedJson(browsed: BrowsedMessage, waitsFor?: string): Record<string, unknown> {
  const { message, attempts, delayLeftMs, leaseLeftMs, ttlLeftMs, consumer, dead } = browsed;
  const { id, from, type, priority, sentAt } = message;
  return {
    ...{ id, state: stateWord(browsed, waitsFor).toLowerCase(), attempts, from, type, priority },
    sentAt: new Date(sentAt).toISOString(),
    body: decodeBody(message),
    ...{ delayLeftMs, waitsFor, leaseLeftMs, ttlLeftMs, consumer },
    dead: dead && { reason: dead.reason, at: new Date(dead.at).toISOString() },
  };
}
