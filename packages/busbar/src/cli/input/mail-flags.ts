/** What may be said of a message to an agent or a task: flags of send, request and task, and as options of the bus. */

import type { EnqueueOptions, MailOptions } from '@busbar/api';
import type { FlagValues } from './flag-values.ts';

/** Flags of every message that goes through a queue. The longest delay and time to live are ten years. */
export const MAIL_FLAGS = {
  priority: { kind: 'integer', min: 0, max: 9, help: '0 to 9, higher goes first (default 4)' },
  delay: { kind: 'duration', min: 0, max: 315_360_000_000, help: 'not before this time has passed' },
  ttl: { kind: 'duration', min: 1, max: 315_360_000_000, help: 'not after this time: it expires' },
  key: { kind: 'text', value: 'KEY', max: 240, help: 'one of a key is stored once, within the dedupe window' },
  order: { kind: 'text', value: 'KEY', max: 255, help: 'messages of one key are handled one at a time, in order' },
  attempts: { kind: 'integer', min: 1, max: 1000, help: 'deliveries before it is a dead letter (default 5)' },
  header: { kind: 'pairs', short: 'H', value: 'NAME=VALUE', help: 'a header; may be repeated' },
  correlation: { kind: 'text', value: 'ID', max: 512, help: 'ties messages together' },
} as const;

/** The flags as options of the bus, all but the key. */
export function toMailOptions(flags: FlagValues<typeof MAIL_FLAGS>): Omit<MailOptions & EnqueueOptions, 'id' | 'hold'> {
  const { priority, delay, ttl, order, attempts, header, correlation } = flags;
  return {
    ...(priority === undefined ? {} : { priority }),
    ...(delay === undefined ? {} : { delayMs: delay }),
    ...(ttl === undefined ? {} : { ttlMs: ttl }),
    ...(order === undefined ? {} : { orderingKey: order }),
    ...(attempts === undefined ? {} : { maxAttempts: attempts }),
    ...(Object.keys(header).length === 0 ? {} : { headers: header }),
    ...(correlation === undefined ? {} : { correlationId: correlation }),
  };
}
