/** The state of a task, from the messages and the record with its id. Tasks with one dedupe key share them. */

import type { BrowsedMessage } from '../../contract/transport.ts';
import type { TaskRecord } from './task-record.ts';

type EndRecord = Extract<TaskRecord, { readonly state: 'done' | 'cancelled' }>;

/**
 * Whether a message has expired though browsing still returns it. A leased message may still be acked, and a dead letter
 * stays.
 */
export function hasExpired({ state, ttlLeftMs }: Pick<BrowsedMessage, 'state' | 'ttlLeftMs'>): boolean {
  return (state === 'ready' || state === 'delayed') && ttlLeftMs !== undefined && ttlLeftMs <= 0;
}

/** The latest of the messages with one id: a task that waits or runs, else the last dead letter since `since`. */
export function latestOf(messages: readonly BrowsedMessage[], since = 0): BrowsedMessage | undefined {
  let latest: BrowsedMessage | undefined;
  for (const one of messages) {
    if (hasExpired(one) || (one.dead !== undefined && one.message.sentAt < since)) continue;
    if (one.state !== 'dead') return one;
    if (latest === undefined || one.message.sentAt > latest.message.sentAt) latest = one;
  }
  return latest;
}

/** Whether a record is the end of a task: of a later one than the dead letter, if there is one. */
export function isEnd(record: TaskRecord, dead: BrowsedMessage | undefined): record is EndRecord {
  const isOver = record.state === 'done' || record.state === 'cancelled';
  return isOver && (dead === undefined || record.sentAt > dead.message.sentAt);
}
