/** The options of consumers. */

import type { CallOptions } from '../../contract/call-options.ts';
import {
  checkDuration,
  checkInteger,
  checkOneOf,
  checkOptions,
  checkSignal,
  checkText,
  MAX_TIMER_MS,
} from '../../contract/validation.ts';
import { checkRetry, type RetryFunction, type RetryPolicy } from './backoff.ts';
import type { InvalidRule } from './failure.ts';

/** How to consume the messages of one queue. */
export interface ConsumeOptions {
  /** Bounds the opening. An open consumer goes on until it is closed. */
  readonly open?: CallOptions | undefined;
  /** How many handlers run at a time in this process, 1 to 10,000. Default 1. */
  readonly concurrency?: number | undefined;
  /** The lease of the queue from now on, 50 to 43,200,000. Default: the queue's, 30,000. */
  readonly leaseMs?: number | undefined;
  /** The attempts of each message of the queue from now on, 1 to 1,000. Default: the queue's, 5. */
  readonly maxAttempts?: number | undefined;
  /** How long a handler may take, 1 to 2^31-1. Then its signal fires and the attempt has failed. Default: no limit. */
  readonly timeoutMs?: number | undefined;
  /** When a failed message is retried. Default: after 1 s, doubling to 60 s, with jitter. */
  readonly retry?: RetryPolicy | RetryFunction | undefined;
  /**
   * What to do with a body that does not match the schema of this process. `retry` (default): a process with a newer schema
   * may get the next attempt. `reject`: it becomes a dead letter at once. `release`: it is offered again after a second,
   * and attempts do not count. A request is refused at once, and a body that cannot be decoded is rejected.
   */
  readonly onInvalid?: InvalidRule | undefined;
  /** The name of the consumer, for operators and the history of dead letters, 1 to 255 characters. Default: an id of this bus. */
  readonly consumer?: string | undefined;
}

/** The keys of {@link ConsumeOptions}. */
export const CONSUME_KEYS: readonly string[] = [
  ...['concurrency', 'leaseMs', 'maxAttempts', 'retry', 'onInvalid', 'consumer', 'timeoutMs'],
  'open',
];

/** Throws INVALID_ARGUMENT for illegal values. The caller checks for unknown keys. */
export function checkConsumeOptions(options: ConsumeOptions): void {
  checkInteger(options.concurrency, 'concurrency', { min: 1, max: 10_000 });
  checkDuration(options.leaseMs, 'leaseMs', { min: 50, max: 43_200_000 });
  checkInteger(options.maxAttempts, 'maxAttempts', { min: 1, max: 1000 });
  checkHandlerTimeout(options.timeoutMs);
  checkRetry(options.retry);
  checkOnInvalid(options.onInvalid);
  checkText(options.consumer, 'consumer', 255);
  checkOpen(options.open);
}

/** Throws INVALID_ARGUMENT. */
export function checkOpen(open: CallOptions | undefined): void {
  checkOptions(open, ['timeoutMs', 'signal'], 'open');
  checkDuration(open?.timeoutMs, 'open.timeoutMs', { min: 1, max: MAX_TIMER_MS, infinity: true });
  checkSignal(open?.signal);
}

/** Throws INVALID_ARGUMENT. */
export function checkOnInvalid(onInvalid: unknown): void {
  checkOneOf(onInvalid, 'onInvalid', ['retry', 'reject', 'release']);
}

/** Throws INVALID_ARGUMENT. */
export function checkHandlerTimeout(timeoutMs: unknown): void {
  checkDuration(timeoutMs, 'timeoutMs', { min: 1, max: MAX_TIMER_MS });
}
