/** Flags for messages of send and task, and their conversion to options of the bus. */

import type { EnqueueOptions, MailOptions } from '@busbar/api';
import type { FlagValues } from './flag-values.ts';

/** Flags of every message in a queue. Delay and time to live are at most ten years. */
export const MAIL_FLAGS = {
  priority: { kind: 'integer', min: 0, max: 9, help: '0 to 9, higher goes first (default 4)' },
  delay: { kind: 'duration', min: 0, max: 315_360_000_000, help: 'deliver after this time' },
  ttl: { kind: 'duration', min: 1, max: 315_360_000_000, help: 'expire after this time' },
  key: { kind: 'text', value: 'KEY', max: 240, help: 'store only one message per key, within the dedupe window' },
  order: { kind: 'text', value: 'KEY', max: 255, help: 'handle messages of one key one at a time, in order' },
  attempts: { kind: 'integer', min: 1, max: 1000, help: 'deliveries before it becomes a dead letter (default 5)' },
  header: { kind: 'pairs', short: 'H', value: 'NAME=VALUE', help: 'a header; may be repeated' },
  correlation: { kind: 'text', value: 'ID', max: 512, help: 'an id that related messages share' },
} as const;

/** The flags as options of the bus, without the key. */
export function toMailOptions(
  flags: FlagValues<typeof MAIL_FLAGS>,
): Omit<MailOptions & EnqueueOptions, 'id' | 'createInbox'> {
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
