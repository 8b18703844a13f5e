/** Messages that were looked at and not received: as JSON, or as rows of a table. */

import type { BrowsedMessage } from '@busbar/api/transport';
import { formatDuration } from '../input/durations.ts';
import { bodyLine, decodeBody, timeOf } from './message-view.ts';
import { EXPIRED, STATE_WORDS } from './states.ts';

/** Headings of {@link browsedRow}. */
export const BROWSED_HEADINGS: readonly string[] = ['STATE', '#ATTEMPT', 'SENT', '!ID', 'BODY'];

/** A message as a row. The state of a delayed one has the time that is left. */
export function browsedRow(browsed: BrowsedMessage): string[] {
  const { message, attempts, delayLeftMs, dead } = browsed;
  const word = wordOf(browsed);
  const shown = delayLeftMs === undefined ? word : `${word} ${formatDuration(delayLeftMs)}`;
  const body = dead === undefined ? bodyLine(message, 200) : `${dead.reason} — ${bodyLine(message, 200)}`;
  return [shown, String(attempts), timeOf(message.sentAt), message.id, body];
}

/** The word for its state. A message that waits beyond its time to live is delivered to no consumer. */
function wordOf({ state, ttlLeftMs = 1 }: BrowsedMessage): string {
  return ttlLeftMs <= 0 && (state === 'ready' || state === 'delayed') ? EXPIRED : STATE_WORDS[state];
}

/** A message as a JSON object. */
export function browsedJson(browsed: BrowsedMessage): Record<string, unknown> {
  const { message, attempts, delayLeftMs, leaseLeftMs, ttlLeftMs, consumer, dead } = browsed;
  const { id, from, type, priority, sentAt } = message;
  return {
    ...{ id, state: wordOf(browsed).toLowerCase(), attempts, from, type, priority },
    sentAt: new Date(sentAt).toISOString(),
    body: decodeBody(message),
    ...{ delayLeftMs, leaseLeftMs, ttlLeftMs, consumer },
    dead: dead && { reason: dead.reason, at: new Date(dead.at).toISOString() },
  };
}
