/** How a lock is asked for: its name and options, checked. */

import { invalid } from '../../contract/errors.ts';
import { quote, utf8Length } from '../../contract/names.ts';
import {
  checkBoolean,
  checkDuration,
  checkOptions,
  checkSignal,
  checkText,
  MAX_DURATION_MS,
} from '../../contract/validation.ts';

/** How to take a lock. */
export interface LockOptions {
  /** Held so long without renewal, 50 or more. Default 30,000. This bounds how long a dead holder is in the way. */
  readonly ttlMs?: number;
  /** How long to wait for it: 0 (do not wait) or more, Infinity for ever. Default 30,000. */
  readonly waitMs?: number;
  /** Who holds it, as others are shown. 1 to 255 characters. Default: the name of this bus. */
  readonly owner?: string;
  /** Whether it renews itself. Default true; without it the lock is lost after `ttlMs` unless extended. */
  readonly renew?: boolean;
  /** Ends the wait with ABORTED. It does not end the lock. */
  readonly signal?: AbortSignal;
}

/** What is asked for: the entries, any one of which will do. */
export interface LockWanted {
  readonly name: string;
  readonly what: 'lock' | 'semaphore';
  readonly prefix: string;
  readonly keys: readonly string[];
}

/** The keys of {@link LockOptions}. */
export const LOCK_KEYS: readonly string[] = ['ttlMs', 'waitMs', 'owner', 'renew', 'signal'];

const MAX_NAME_BYTES = 480;

/** The one entry of a lock. Throws INVALID_ARGUMENT for a bad name. */
export function lockWanted(name: string): LockWanted {
  checkLockName(name, 'lock name');
  const key = `$lock/${name}`;
  return { name, what: 'lock', prefix: key, keys: [key] };
}

/** Throws INVALID_ARGUMENT unless `options` are legal. */
export function checkLockOptions(options: LockOptions | undefined): void {
  checkOptions(options, LOCK_KEYS, 'lock options');
  checkLockValues(options);
}

/** The same, whatever other keys there are. */
export function checkLockValues(options: LockOptions | undefined): void {
  checkDuration(options?.ttlMs, 'ttlMs', { min: 50, max: MAX_DURATION_MS });
  checkDuration(options?.waitMs, 'waitMs', { min: 0, max: MAX_DURATION_MS, infinity: true });
  checkText(options?.owner, 'owner', 255);
  checkBoolean(options?.renew, 'renew');
  checkSignal(options?.signal);
}

/** Throws INVALID_ARGUMENT unless `name` may name a lock. What is locked is often a file, so that any text will do. */
export function checkLockName(name: unknown, what: string): asserts name is string {
  checkText(name ?? null, what, MAX_NAME_BYTES);
  if (utf8Length(name as string) > MAX_NAME_BYTES) {
    throw invalid(`${what} ${quote(name)} is too long`, `Use at most ${MAX_NAME_BYTES} bytes of UTF-8.`);
  }
}
