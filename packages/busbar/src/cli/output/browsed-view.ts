/** Messages that were looked at and not received: as JSON, or as rows of a table. */

import type { BrowsedMessage } from '@busbar/api/transport';
import { formatDuration } from '../input/durations.ts';
import { bodyLine, decodeBody, timeOf } from './message-view.ts';
import { STATE_WORDS } from './states.ts';

/** Headings of {@link browsedRow}. */
export const BROWSED_HEADINGS: readonly string[] = ['STATE', '#ATTEMPT', 'SENT', '!ID', 'BODY'];

/** A message as a row. The state of a delayed one has the time that is left. */
export function browsedRow({ message, state, attempts, delayLeftMs, dead }: BrowsedMessage): string[] {
  const word = STATE_WORDS[state];
  const shown = delayLeftMs === undefined ? word : `${word} ${formatDuration(delayLeftMs)}`;
  const body = dead === undefined ? bodyLine(message, 200) : `${dead.reason} — ${bodyLine(message, 200)}`;
  return [shown, String(attempts), timeOf(message.sentAt), message.id, body];
}

/** A message as a JSON object. */
export function browsedJson({
  message,
  state,
  attempts,
  delayLeftMs,
  leaseLeftMs,
  ttlLeftMs,
  consumer,
  dead,
}: BrowsedMessage): Record<string, unknown> {
  const { id, from, type, priority, sentAt } = message;
  return {
    ...{ id, state: STATE_WORDS[state].toLowerCase(), attempts, from, type, priority },
    sentAt: new Date(sentAt).toISOString(),
    body: decodeBody(message),
    ...{ delayLeftMs, leaseLeftMs, ttlLeftMs, consumer },
    dead: dead && { reason: dead.reason, at: new Date(dead.at).toISOString() },
  };
}
