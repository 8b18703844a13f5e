/** The values of settings and fields that a caller leaves out, and the largest batch. */

import type { QueueSettings } from './queues.ts';

/** The settings of a queue that was never configured. A backend may have another `maxLength`. */
export const QUEUE_DEFAULTS: Readonly<Required<QueueSettings>> = Object.freeze({
  leaseMs: 30_000,
  maxLength: 1_000_000,
  maxAttempts: 5,
  dedupeMs: 120_000,
  expireIdleMs: Number.POSITIVE_INFINITY,
  frozen: false,
  paused: false,
  deadTtlMs: 2_592_000_000,
});
/** The priority of a message without one. */
export const NORMAL_PRIORITY = 4;
/** The most messages, settlements or touches in one call. */
export const MAX_BATCH = 10_000;
