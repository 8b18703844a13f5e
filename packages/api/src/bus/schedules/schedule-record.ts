/** The stored state of a schedule: a line of JSON in the key-value facet. */

import { BusbarError } from '../../contract/errors.ts';
import type { KvEntry } from '../../contract/kv.ts';
import type { Headers } from '../../contract/message.ts';
import { quote } from '../../contract/names.ts';
import type { StoredTiming } from './planned-times.ts';

/** Where the messages of a schedule go. */
export type ScheduleTarget =
  | { readonly queue: string }
  | { readonly topic: string }
  | { readonly to: string; readonly type: string };

/** The options of each message. */
export interface ScheduledMessageOptions {
  readonly headers?: Headers;
  readonly priority?: number;
  readonly correlationId?: string;
  readonly ttlMs?: number;
  readonly maxAttempts?: number;
  readonly orderingKey?: string;
}

/** What a user has put. Times are milliseconds since 1970. */
export interface ScheduleSpec {
  readonly timing: StoredTiming;
  readonly target: ScheduleTarget;
  /** JSON; undefined without a body. */
  readonly body?: string;
  readonly message: ScheduledMessageOptions;
  readonly missed: 'once' | 'skip';
}

/** A schedule and its state. */
export interface ScheduleRecord {
  readonly spec: ScheduleSpec;
  /** When it was put, or its timing was changed. */
  readonly since: number;
  readonly isPaused: boolean;
  /** The planned time that comes next; undefined after the last one. */
  readonly nextAt?: number | undefined;
  /** The planned time at which it fired last. */
  readonly lastAt?: number | undefined;
}

/** A schedule, as users see it. Times are milliseconds since 1970. */
export interface ScheduleInfo extends Omit<StoredTiming, 'timeZone'> {
  readonly name: string;
  /** The time zone of `cron`. */
  readonly timeZone?: string;
  readonly target: ScheduleTarget;
  readonly body: unknown;
  readonly options: ScheduledMessageOptions;
  readonly missed: 'once' | 'skip';
  readonly paused: boolean;
  /** The next planned time. It is undefined after the last one, and while the schedule is paused. */
  readonly nextAt: number | undefined;
  /** The planned time at which it fired last. */
  readonly lastAt: number | undefined;
}

/** Prefix of the keys of all schedules. */
export const SCHEDULE_PREFIX = '$schedule/';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The key of a schedule. */
export function scheduleKey(name: string): string {
  return `${SCHEDULE_PREFIX}${name}`;
}

/** The schedule of a key. */
export function scheduleAt(key: string): string {
  return key.slice(SCHEDULE_PREFIX.length);
}

/** The bytes of a record. */
export function encodeSchedule(record: ScheduleRecord): Uint8Array {
  return encoder.encode(JSON.stringify(record));
}

/** The record in an entry. Throws INTERNAL for a value that is no record. */
export function readSchedule({ key, value }: Pick<KvEntry, 'key' | 'value'>): ScheduleRecord {
  try {
    const record = JSON.parse(decoder.decode(value)) as ScheduleRecord;
    if (typeof record.spec.timing === 'object' && typeof record.spec.target === 'object') return record;
  } catch {
    // It is no JSON, or has no such members.
  }
  throw new BusbarError('INTERNAL', `the entry ${quote(key)} is not a schedule`, {
    hint: 'A program has overwritten it. Put the schedule again.',
  });
}

/** The record for users. */
export function toScheduleInfo(name: string, record: ScheduleRecord, body: unknown): ScheduleInfo {
  const { spec, isPaused, nextAt, lastAt } = record;
  const { timing, target, message: options, missed } = spec;
  return {
    name,
    ...timing,
    ...(timing.cron === undefined ? {} : { timeZone: timing.timeZone ?? 'UTC' }),
    ...{ target, body, options, missed, paused: isPaused },
    nextAt: isPaused ? undefined : nextAt,
    lastAt,
  };
}
