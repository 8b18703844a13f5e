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
export type Retention = { readonly [Name in keyof RetentionOptions]-?: number };

const COUNT = { min: 1, max: Number.MAX_SAFE_INTEGER, infinity: true };
const AGE = { min: 1000, max: MAX_DURATION_MS, infinity: true };

/** The given bounds; `defaults` for those that are missing. Throws INVALID_ARGUMENT for illegal {@link RetentionOptions}. */
export function toRetention(value: unknown, name: string, defaults: Retention): Retention {
  checkOptions(value, Object.keys(defaults), name);
  const given = (value ?? {}) as RetentionOptions;
  const { maxEvents = defaults.maxEvents, maxBytes = defaults.maxBytes, maxAgeMs = defaults.maxAgeMs } = given;
  checkInteger(maxEvents, `${name}.maxEvents`, COUNT);
  checkInteger(maxBytes, `${name}.maxBytes`, COUNT);
  checkDuration(maxAgeMs, `${name}.maxAgeMs`, AGE);
  return Object.freeze({ maxEvents, maxBytes, maxAgeMs });
}
