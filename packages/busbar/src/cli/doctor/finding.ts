/** What the doctor finds. */

import { isBusbarError } from '@busbar/api/transport';
import { maskUrl } from '../../secrets.ts';

/** One thing that was looked at. */
export interface Finding {
  /** What was looked at, in a word. */
  readonly check: string;
  readonly status: 'ok' | 'warn' | 'fail';
  /** What was found. */
  readonly detail: string;
  /** What to do about it. */
  readonly hint?: string;
}

/** All is well. */
export function ok(check: string, detail: string): Finding {
  return { check, status: 'ok', detail };
}

/** It works, and may not do what is wanted. */
export function warn(check: string, detail: string, hint: string): Finding {
  return { check, status: 'warn', detail, hint };
}

/** It does not work. */
export function fail(check: string, detail: string, hint: string): Finding {
  return { check, status: 'fail', detail, hint };
}

/** It does not work, and `error` says why. */
export function failWith(check: string, error: unknown): Finding {
  const message = error instanceof Error ? error.message : String(error);
  const hint = isBusbarError(error) ? error.hint : undefined;
  const code = isBusbarError(error) ? ` (${error.code})` : '';
  return fail(check, maskUrl(`${message}${code}`), maskUrl(hint ?? 'BUSBAR_DEBUG=1 shows where it arose.'));
}
