/** When a failed message is retried: exponential backoff with jitter, or a function of the user. */

import { invalid } from '../../contract/errors.ts';
import { silenceAll } from '../../contract/promises.ts';
import {
  checkCallback,
  checkDuration,
  checkOneOf,
  checkOptions,
  describe,
  MAX_DURATION_MS,
} from '../../contract/validation.ts';

/** When a failed message is retried. The n-th retry waits `baseMs * factor ** (n - 1)`, at most `maxMs`. */
export interface RetryPolicy {
  /** The first wait, 0 to ten years. Default 1,000. */
  readonly baseMs?: number | undefined;
  /** The factor of each further wait, 1 to 100. Default 2. */
  readonly factor?: number | undefined;
  /** The longest wait, 0 to ten years. Default 60,000. */
  readonly maxMs?: number | undefined;
  /** `full` (default): a random part of the wait, from half to all of it, to spread retries. `none`: all of it. */
  readonly jitter?: 'full' | 'none' | undefined;
}

/**
 * Decides about a failed attempt, from 1: how long to wait in milliseconds, 0 to ten years, or `reject` for a dead letter at
 * once. A function that throws counts as the default policy.
 */
export type RetryFunction = (attempt: number, error: unknown) => number | 'reject';

/** Options with every field. */
export type Complete<Options> = { readonly [K in keyof Options]-?: NonNullable<Options[K]> };
/** A retry policy with every field. */
export type CompleteRetry = Complete<RetryPolicy>;

/** The default policy. */
export const DEFAULT_RETRY: CompleteRetry = { baseMs: 1000, factor: 2, maxMs: 60_000, jitter: 'full' };

/** A checked policy, or the function of the user. */
export type RetryRule = CompleteRetry | RetryFunction;

/** A function, or a policy with defaults. Throws INVALID_ARGUMENT. */
export function checkRetry(retry: RetryPolicy | RetryFunction | undefined): RetryRule {
  if (typeof retry !== 'function') return completeRetry(retry);
  checkCallback(retry, 'retry');
  return retry;
}

/** `policy` with defaults. Throws INVALID_ARGUMENT. */
export function completeRetry(policy: RetryPolicy | undefined): CompleteRetry {
  checkOptions(policy, ['baseMs', 'factor', 'maxMs', 'jitter'], 'retry');
  const range = { min: 0, max: MAX_DURATION_MS };
  checkDuration(policy?.baseMs, 'retry.baseMs', range);
  checkDuration(policy?.factor, 'retry.factor', { min: 1, max: 100 });
  checkDuration(policy?.maxMs, 'retry.maxMs', range);
  checkOneOf(policy?.jitter, 'retry.jitter', ['full', 'none']);
  return {
    baseMs: policy?.baseMs ?? DEFAULT_RETRY.baseMs,
    factor: policy?.factor ?? DEFAULT_RETRY.factor,
    maxMs: policy?.maxMs ?? DEFAULT_RETRY.maxMs,
    jitter: policy?.jitter ?? DEFAULT_RETRY.jitter,
  };
}

/** The wait after the `attempt`-th failure (from 1), in whole milliseconds. `random` returns 0 to 1. */
export function backoffMs(policy: CompleteRetry, attempt: number, random: () => number = Math.random): number {
  // The power can be infinite. A base of 0 stays 0.
  const grown = policy.baseMs === 0 ? 0 : policy.baseMs * policy.factor ** (Math.max(1, attempt) - 1);
  const wait = Math.min(policy.maxMs, grown);
  return Math.round(policy.jitter === 'none' ? wait : wait / 2 + (wait / 2) * random());
}

/** The wait after the `attempt`-th failure in milliseconds, or `reject`. Throws what the function of the user throws. */
export function retryAfter(rule: RetryRule, attempt: number, thrown: unknown): number | 'reject' {
  if (typeof rule !== 'function') return backoffMs(rule, attempt);
  const wait: unknown = rule(attempt, thrown);
  if (wait === 'reject') return wait;
  if (typeof wait === 'number' && wait >= 0) return Math.round(Math.min(wait, MAX_DURATION_MS));
  silenceAll(wait);
  throw invalid(`retry returned ${describe(wait)}`, 'Return a number of milliseconds, or "reject".');
}
