/** Bounds of the history of topics: the same options on every backend that stores. */

import { checkDuration, checkInteger, checkOptions, MAX_DURATION_MS } from '../../contract/validation.ts';

/** How much history of topics a namespace keeps. Infinity means no bound. */
export interface RetentionOptions {
  /** 1 or more. */
  readonly maxEvents?: number | undefined;
  /** Bytes of bodies, 1 or more; a backend may count headers too. */
  readonly maxBytes?: number | undefined;
  /** 1,000 to 315,360,000,000 (ten years). */
  readonly maxAgeMs?: number | undefined;
}

/** Retention options, complete. */
export interface Retention {
  readonly maxEvents: number;
  readonly maxBytes: number;
  readonly maxAgeMs: number;
}

/** The keys of {@link RetentionOptions}, which are also parameters of URLs. */
export const RETENTION_KEYS: readonly (keyof Retention)[] = ['maxEvents', 'maxBytes', 'maxAgeMs'];

const COUNT = { min: 1, max: Number.MAX_SAFE_INTEGER, infinity: true };
const AGE = { min: 1000, max: MAX_DURATION_MS, infinity: true };

/** Throws INVALID_ARGUMENT unless `value` is undefined or legal {@link RetentionOptions}. */
export function checkRetention(value: unknown, name = 'retention'): asserts value is RetentionOptions | undefined {
  checkOptions(value, RETENTION_KEYS, name);
  const { maxEvents, maxBytes, maxAgeMs } = (value ?? {}) as RetentionOptions;
  checkInteger(maxEvents, `${name}.maxEvents`, COUNT);
  checkInteger(maxBytes, `${name}.maxBytes`, COUNT);
  checkDuration(maxAgeMs, `${name}.maxAgeMs`, AGE);
}

/** The given bounds; `defaults` for those that are missing. */
export function completeRetention(options: RetentionOptions | undefined, defaults: Retention): Retention {
  return Object.freeze({
    maxEvents: options?.maxEvents ?? defaults.maxEvents,
    maxBytes: options?.maxBytes ?? defaults.maxBytes,
    maxAgeMs: options?.maxAgeMs ?? defaults.maxAgeMs,
  });
}
