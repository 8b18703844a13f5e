/** The settings of a queue of tasks: those of its transport, and its rate limit, which is an entry of the store. */

import type { CallOptions } from '../../contract/call-options.ts';
import { invalid } from '../../contract/errors.ts';
import type { KeyValue, KvEntry } from '../../contract/kv.ts';
import type { QueueSettings } from '../../contract/queues.ts';
import { checkDuration, checkInteger, checkOptions } from '../../contract/validation.ts';
import { checkSettings } from '../../open/queues.ts';

/** How many tasks may start in a time. */
export interface RateLimit {
  /** The most tasks that start in one window, 1 to 1,000,000. */
  readonly max: number;
  /** How long a window lasts, 10 to 86,400,000 (1 d). It begins with the first task that starts. */
  readonly perMs: number;
}

/** Settings of a queue of tasks. */
export interface TaskQueueSettings extends QueueSettings {
  /**
   * How many tasks may start in a time, for all its workers, also those that run already. It counts before the `rateLimit` of
   * a worker. `none` deletes it, and that of workers which have ended. Default: no limit.
   */
  readonly rateLimit?: RateLimit | 'none' | undefined;
}

/** The rate limit of a queue in the store. */
export interface StoredLimit {
  readonly limit: RateLimit;
  /** Whether it comes from the options of a worker. */
  readonly isOption: boolean;
  readonly revision: number;
}

const PREFIX = '$task/#limit/';
const PAGE = 1000;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Throws INVALID_ARGUMENT. */
export function checkRateLimit(limit: RateLimit | undefined): void {
  if (limit === undefined) return;
  checkOptions(limit, ['max', 'perMs'], 'rateLimit');
  checkInteger(limit.max ?? Number.NaN, 'rateLimit.max', { min: 1, max: 1_000_000 });
  checkDuration(limit.perMs ?? Number.NaN, 'rateLimit.perMs', { min: 10, max: 86_400_000 });
}

/** Throws INVALID_ARGUMENT. */
export function checkTaskQueueSettings(settings: TaskQueueSettings | undefined): void {
  const { rateLimit, ...others } = settings ?? {};
  checkSettings(settings && others);
  if (typeof rateLimit !== 'string') checkRateLimit(rateLimit);
  else if (rateLimit !== 'none') throw invalid(`illegal rateLimit: ${rateLimit}`, 'Use { max, perMs }, or none.');
}

/** The key of the limit of a queue. No name of a queue has a #. */
export function limitKey(queue: string): string {
  return `${PREFIX}${queue}#`;
}

/** The value of an entry. */
export function encodeLimit({ max, perMs }: RateLimit, isOption: boolean): Uint8Array {
  return encoder.encode(JSON.stringify({ max, perMs, ...(isOption && { isOption }) }));
}

/** Reads an entry. */
export function readLimit({ value, revision }: Pick<KvEntry, 'value' | 'revision'>): StoredLimit {
  const { isOption = false, ...limit } = JSON.parse(decoder.decode(value)) as RateLimit & { isOption?: boolean };
  return { limit, isOption, revision };
}

/** The rate limits of all queues, by their names. */
export async function rateLimits(
  kv: Pick<KeyValue, 'list'>,
  bounds?: CallOptions,
): Promise<ReadonlyMap<string, RateLimit>> {
  const found = new Map<string, RateLimit>();
  for (let after: string | undefined; ; ) {
    const page = await kv.list(PREFIX, { ...bounds, after, limit: PAGE });
    for (const entry of page) found.set(entry.key.slice(PREFIX.length, -1), readLimit(entry).limit);
    after = page.at(-1)?.key;
    if (page.length < PAGE) return found;
  }
}
