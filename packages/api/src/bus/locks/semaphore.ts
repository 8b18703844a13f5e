/** The slots of a semaphore: it is a lock that several may hold at once. */

import { invalid } from '../../contract/errors.ts';
import { checkInteger, checkOptions } from '../../contract/validation.ts';
import { checkLockName, checkLockValues, LOCK_KEYS, type LockOptions, type LockWanted } from './lock-options.ts';

/** How to take one permit of a semaphore. */
export interface SemaphoreOptions extends LockOptions {
  /** How many may hold it at once, 1 to 1,000. All who use a semaphore give the same number. */
  readonly permits: number;
}

const MAX_PERMITS = 1000;

/** The entries of a semaphore, one a permit. Throws INVALID_ARGUMENT for a bad name or bad options. */
export function semaphoreWanted(name: string, options: SemaphoreOptions): LockWanted {
  checkLockName(name, 'semaphore name');
  checkOptions(options, ['permits', ...LOCK_KEYS], 'semaphore options');
  const permits = options?.permits;
  if (permits === undefined) throw invalid('a semaphore needs permits', 'Say how many may hold it at once.');
  checkInteger(permits, 'permits', { min: 1, max: MAX_PERMITS });
  checkLockValues(options);
  const prefix = `$sem/${name}/`;
  return { name, what: 'semaphore', prefix, keys: Array.from({ length: permits }, (_, slot) => `${prefix}${slot}`) };
}
