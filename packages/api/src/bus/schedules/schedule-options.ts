/** The options of a schedule: when it fires, and what it sends. */

import { invalid } from '../../contract/errors.ts';
import { checkUserName, quote } from '../../contract/names.ts';
import {
  checkDuration,
  checkOneOf,
  checkOptions,
  checkText,
  describe,
  MAX_DURATION_MS,
} from '../../contract/validation.ts';
import type {
  BodyInput,
  MessageDefinition,
  QueueDefinition,
  TaskInput,
  TopicDefinition,
} from '../messages/definitions.ts';
import type { MessageOptions } from '../messages/message-options.ts';

/**
 * When a schedule fires, `cron` or `everyMs`, and the message that it sends: a task, an event, or a message to an agent. A
 * definition has the type of the body.
 */
export type ScheduleOptions<
  Q extends string | QueueDefinition = string | QueueDefinition,
  T extends string | TopicDefinition = string | TopicDefinition,
  M extends string | MessageDefinition = string | MessageDefinition,
> = ScheduledMessage & (CronTiming | IntervalTiming) & (TaskTarget<Q> | TopicTarget<T> | AgentTarget<M>);

/** The body of each message: JSON. The whole schedule has at most 64 KiB. */
type WithBody<B> = undefined extends B ? { readonly body?: B | undefined } : { readonly body: B };

/** When the first planned time is. */
interface FirstTime {
  /**
   * It does not fire before. The planned times of `everyMs` count from here; without it the first one is `everyMs` after the
   * schedule was put.
   */
  readonly startAt?: Date | undefined;
}

/** Planned times of a cron expression. */
export interface CronTiming extends FirstTime {
  /**
   * A cron expression: minute, hour, day of the month, month, day of the week, with seconds in front if it has six fields. Or
   * `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`. It excludes `everyMs`.
   */
  readonly cron: string;
  /** The time zone of `cron`, such as `Europe/Berlin`. Default `UTC`. */
  readonly timeZone?: string | undefined;
  readonly everyMs?: undefined;
}

/** Planned times at a fixed interval. */
export interface IntervalTiming extends FirstTime {
  /** It fires every so many milliseconds, 100 to ten years. It excludes `cron`. */
  readonly everyMs: number;
  readonly cron?: undefined;
  readonly timeZone?: undefined;
}

/** A schedule of tasks. */
export type TaskTarget<Q extends string | QueueDefinition> = WithBody<TaskInput<Q>> & {
  /** The queue of the tasks. */
  readonly queue: Q;
  readonly topic?: undefined;
  readonly to?: undefined;
  readonly type?: undefined;
};

/** A schedule of events. */
export type TopicTarget<T extends string | TopicDefinition> = WithBody<BodyInput<T>> & {
  /** The topic of the events. */
  readonly topic: T;
  readonly queue?: undefined;
  readonly to?: undefined;
  readonly type?: undefined;
};

/** A schedule of messages to an agent. */
export type AgentTarget<M extends string | MessageDefinition> = WithBody<BodyInput<M>> & {
  /** The agent that gets the messages. */
  readonly to: string;
  /** The type of the messages. */
  readonly type: M;
  readonly queue?: undefined;
  readonly topic?: undefined;
};

/** The message that a schedule sends. */
export interface ScheduledMessage extends Omit<MessageOptions, 'id'> {
  /**
   * What follows planned times at which no process fired it, nor within a minute. `once` (default): it fires once, however
   * many times were missed. `skip`: it fires at its next planned time.
   */
  readonly missed?: 'once' | 'skip' | undefined;
  /** The attempts of each task or message, 1–1000. Default 5. */
  readonly maxAttempts?: number | undefined;
  /** Messages with the same key are handled one at a time and in order. */
  readonly orderingKey?: string | undefined;
}

/** How a process runs schedules. */
export interface SchedulerOptions {
  /** How long no process fires after the one that fired was killed, 50 to ten years. Default 10,000. */
  readonly leaseMs?: number | undefined;
}

/** The options that are fields of each message. */
export const MESSAGE_FIELDS: readonly (keyof ScheduleOptions)[] = [
  ...(['headers', 'priority', 'correlationId', 'ttlMs', 'maxAttempts', 'orderingKey'] as const),
];

const TIMING_KEYS = ['cron', 'timeZone', 'everyMs', 'startAt'];
const TARGET_KEYS = ['queue', 'topic', 'to', 'type', 'body', 'missed'];
const KEYS = [...TIMING_KEYS, ...TARGET_KEYS, ...MESSAGE_FIELDS, 'timeoutMs', 'signal'];
const MAX_NAME = 150;
const MAX_CRON = 255;

/** Throws INVALID_ARGUMENT unless `name` is a legal name of a schedule. */
export function checkScheduleName(name: unknown): asserts name is string {
  checkUserName(name, 'schedule name');
  if (name.length <= MAX_NAME) return;
  throw invalid(`the schedule name ${quote(name)} is too long`, `Use at most ${MAX_NAME} characters.`);
}

/** Throws INVALID_ARGUMENT. The expression, the target and the fields of messages are checked where they are used. */
export function checkScheduleOptions(options: unknown): asserts options is ScheduleOptions {
  checkOptions(options ?? null, KEYS, 'schedule options');
  const { cron, timeZone, everyMs, startAt, missed, type, to } = options as ScheduleOptions;
  checkText(cron, 'cron', MAX_CRON);
  checkText(timeZone, 'timeZone', MAX_CRON);
  checkDuration(everyMs, 'everyMs', { min: 100, max: MAX_DURATION_MS });
  checkOneOf(missed, 'missed', ['once', 'skip']);
  if ((cron === undefined) === (everyMs === undefined)) {
    throw invalid('a schedule needs cron or everyMs, and not both', "Such as { cron: '0 2 * * *' }.");
  }
  if (timeZone !== undefined && cron === undefined) throw invalid('timeZone needs cron', 'everyMs has no time zone.');
  if (startAt !== undefined && !(startAt instanceof Date && Number.isFinite(startAt.getTime()))) {
    throw invalid(`startAt must be a Date, not ${describe(startAt)}`, 'Pass a Date.');
  }
  if (type !== undefined && to === undefined) throw invalid('type needs to', 'Tasks and events have no type.');
}
