/** Flags of `busbar schedule`. Only `add` takes them. */

import type { Invocation } from '../command.ts';
import { MAIL_FLAGS } from '../input/mail-flags.ts';

const { priority, ttl, order, attempts, header, correlation } = MAIL_FLAGS;

/** Flags of `schedule`. */
export const SCHEDULE_FLAGS = {
  cron: { kind: 'text', value: 'EXPRESSION', max: 255, help: 'when it fires' },
  tz: { kind: 'text', value: 'ZONE', max: 255, help: 'time zone of --cron, such as Europe/Berlin (default UTC)' },
  every: { kind: 'duration', min: 100, max: 315_360_000_000, help: 'instead of --cron: how often it fires' },
  start: { kind: 'text', value: 'DATE', help: 'not before: a date like 2026-11-21T09:30; --every counts from it' },
  missed: { kind: 'choice', choices: ['once', 'skip'], help: 'what follows missed times (default once)' },
  queue: { kind: 'text', value: 'QUEUE', help: 'it adds a task to this queue' },
  topic: { kind: 'text', value: 'TOPIC', help: 'it publishes an event' },
  to: { kind: 'text', value: 'AGENT', help: 'it sends a message to this agent' },
  type: { kind: 'text', value: 'NAME', max: 255, help: 'type of the message to an agent (default message)' },
  text: { kind: 'switch', help: 'BODY is text, even if it parses as JSON' },
} as const;

type MessageFlags = Omit<typeof MAIL_FLAGS, 'delay' | 'key'>;

/** Flags of each message. */
export const MESSAGE_FLAGS: MessageFlags = { priority, ttl, order, attempts, header, correlation };

/** One use of `schedule`. */
export type ScheduleInvocation = Invocation<typeof SCHEDULE_FLAGS & MessageFlags>;
