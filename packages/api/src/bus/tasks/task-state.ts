/** The state of a task, from the messages and the record with its id. Tasks with one dedupe key share them. */

import type { BrowsedMessage } from '../../contract/admin.ts';
import type { TaskRecord } from './task-record.ts';

/** A task can be absent between its ack and its result, which some stores put one after the other. Then it counts as gone. */
export const GONE_MS = 900;
/** On a slow store that takes longer: so many looks at it more. */
export const GONE_LOOKS = 5;

type EndRecord = Extract<TaskRecord, { readonly state: 'done' | 'cancelled' }>;

/**
 * Whether a message has expired though browsing still returns it. A leased message may still be acked, and a dead letter
 * stays.
 */
export function hasExpired({ state, ttlLeftMs }: Pick<BrowsedMessage, 'state' | 'ttlLeftMs'>): boolean {
  return (state === 'ready' || state === 'delayed') && ttlLeftMs !== undefined && ttlLeftMs <= 0;
}

/** Of the messages with one id the one that waits or runs. */
export function pendingOf(messages: readonly BrowsedMessage[]): BrowsedMessage | undefined {
  return messages.find((one) => one.state !== 'dead' && !hasExpired(one));
}

/**
 * Of the messages with one id the last dead letter, in the order of their deaths. One that was sent before `since` is of an
 * earlier task, unless the record is of its last attempt: the clock of its sender can be behind.
 */
export function deadOf(
  messages: readonly BrowsedMessage[],
  record: TaskRecord | undefined,
  since = 0,
): BrowsedMessage | undefined {
  const failedAt = record?.state === 'failed' ? record.sentAt : undefined;
  return messages.findLast(
    ({ dead, message: { sentAt } }) => dead !== undefined && (sentAt >= since || sentAt === failedAt),
  );
}

/**
 * Whether a record is the end of a task, and not of the task that became the dead letter. Then it is of a later one: sending a
 * task deletes the record of the one before.
 */
export function isEnd(record: TaskRecord, dead: BrowsedMessage | undefined): record is EndRecord {
  const isOver = record.state === 'done' || record.state === 'cancelled';
  return isOver && record.sentAt !== dead?.message.sentAt;
}
