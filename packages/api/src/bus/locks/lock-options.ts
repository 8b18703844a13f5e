/** Options of locks and semaphores. */

import { invalid } from '../../contract/errors.ts';
import { quote, utf8Length } from '../../contract/names.ts';
import {
  checkBoolean,
  checkDuration,
  checkInteger,
  checkOptions,
  checkSignal,
  checkText,
  MAX_DURATION_MS,
} from '../../contract/validation.ts';

/** How to take a lock. */
export interface LockOptions {
  /** How long it is held without renewal, 50 or more. Default 30,000. It bounds how long a dead holder blocks others. */
  readonly leaseMs?: number | undefined;
  /**
   * How long to wait for it: 0 (do not wait) or more, Infinity for no limit. Default 30,000. If the server does not answer, the
   * wait ends when its last attempt has also lasted 5 seconds.
   */
  readonly waitMs?: number | undefined;
  /** The name of the holder that others see, 1 to 255 characters. Default: an id of this bus. */
  readonly owner?: string | undefined;
  /** Whether it renews itself. Default true; with false it is lost after `leaseMs` unless it is extended. */
  readonly renew?: boolean | undefined;
  /** Ends the wait with ABORTED. It does not release the lock. */
  readonly signal?: AbortSignal | undefined;
}

/** How to take one slot of a semaphore. */
export interface SemaphoreOptions extends LockOptions {
  /** How many holders share it, 1 to 1,000. Every user of a semaphore must give the same number. */
  readonly permits: number;
}

/** A lock or semaphore to acquire: one of `keys`. */
export interface LockRequest {
  readonly name: string;
  readonly what: 'lock' | 'semaphore';
  /** The longest common prefix of `keys`; the prefix that is watched. */
  readonly prefix: string;
  readonly keys: readonly string[];
}

/** The keys of {@link LockOptions}. */
const LOCK_KEYS: readonly string[] = ['leaseMs', 'waitMs', 'owner', 'renew', 'signal'];

const MAX_NAME_BYTES = 480;
const MAX_PERMITS = 1000;

/** The request for a lock. Throws INVALID_ARGUMENT for a bad name. */
export function toLockRequest(name: string): LockRequest {
  checkLockName(name, 'lock name');
  const key = `$lock/${name}`;
  return { name, what: 'lock', prefix: key, keys: [key] };
}

/** Throws INVALID_ARGUMENT unless `options` are legal. */
export function checkLockOptions(
  options: LockOptions | undefined,
  keys: readonly string[] = LOCK_KEYS,
  what = 'lock options',
): void {
  checkOptions(options, keys, what);
  checkDuration(options?.leaseMs, 'leaseMs', { min: 50, max: MAX_DURATION_MS });
  checkDuration(options?.waitMs, 'waitMs', { min: 0, max: MAX_DURATION_MS, infinity: true });
  checkText(options?.owner, 'owner', 255);
  checkBoolean(options?.renew, 'renew');
  checkSignal(options?.signal);
}

/** Throws INVALID_ARGUMENT for a bad name. Names are often paths, so any text is legal. */
function checkLockName(name: unknown, what: string): asserts name is string {
  checkText(name ?? null, what, MAX_NAME_BYTES);
  if (utf8Length(name as string) > MAX_NAME_BYTES) {
    throw invalid(`${what} ${quote(name)} is too long`, `Use at most ${MAX_NAME_BYTES} bytes of UTF-8.`);
  }
}

/** The request for a slot; a semaphore has one entry per slot. Throws INVALID_ARGUMENT. */
export function toSemaphoreRequest(name: string, options: SemaphoreOptions | undefined): LockRequest {
  checkLockName(name, 'semaphore name');
  checkLockOptions(options, ['permits', ...LOCK_KEYS], 'semaphore options');
  const permits = options?.permits;
  if (permits === undefined) throw invalid('a semaphore needs permits', 'Set permits to the number of slots.');
  checkInteger(permits, 'permits', { min: 1, max: MAX_PERMITS });
  const prefix = `$sem/${name}/`;
  return { name, what: 'semaphore', prefix, keys: Array.from({ length: permits }, (_, slot) => `${prefix}${slot}`) };
}
