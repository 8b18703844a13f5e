/** Flags and recipients of messages, and their conversion to options of the bus. */

import type { MailOptions, Recipient } from '@busbar/api';
import { invalid } from '@busbar/api/transport';
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
export function toMailOptions(flags: Partial<FlagValues<typeof MAIL_FLAGS>>): Omit<MailOptions, 'id' | 'createInbox'> {
  const { priority, delay, ttl, order, attempts, header = {}, correlation } = flags;
  return {
    priority,
    delayMs: delay,
    ttlMs: ttl,
    orderingKey: order,
    maxAttempts: attempts,
    ...(Object.keys(header).length === 0 ? {} : { headers: header }),
    correlationId: correlation,
  };
}

/** Splits the arguments into TO and BODY. With `--capability` the only argument is BODY. */
export function splitRecipient(
  [first, second]: readonly string[],
  capability: string | undefined,
): [to: Recipient, body: string | undefined] {
  if (capability === undefined) {
    if (first !== undefined) return [first, second];
    throw invalid('TO is missing', 'Name an agent, or use --capability. busbar agents lists them.');
  }
  if (second !== undefined) throw invalid('TO and --capability exclude each other', 'Leave one of them out.');
  return [{ capability }, first];
}
