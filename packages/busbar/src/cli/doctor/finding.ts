/** Results of the doctor's checks. */

import { isBusbarError } from '@busbar/api/transport';
import { boundedText, foreignText } from '../output/failure.ts';

/** The result of one check. */
export interface Finding {
  /** Name of the check. */
  readonly check: string;
  readonly status: 'ok' | 'warn' | 'fail';
  /** The result. */
  readonly detail: string;
  /** What to do. */
  readonly hint?: string;
  /** Does it, where that can harm nothing. */
  readonly mend?: () => void;
}

/** A check that passed. */
export function ok(check: string, detail: string): Finding {
  return { check, status: 'ok', detail };
}

/** A check that passed with a warning. */
export function warn(check: string, detail: string, hint: string): Finding {
  return { check, status: 'warn', detail, hint };
}

/** A check that passed with a warning, which `busbar doctor --fix` mends. */
export function mendable(check: string, detail: string, hint: string, mend: () => void): Finding {
  return { check, status: 'warn', detail, hint, mend };
}

/** A check that failed. */
export function fail(check: string, detail: string, hint: string): Finding {
  return { check, status: 'fail', detail, hint };
}

/** A check that failed with an error. */
export function failWith(check: string, error: unknown): Finding {
  const message = error instanceof Error ? error.message : String(error);
  const hint = isBusbarError(error) ? error.hint : undefined;
  const code = isBusbarError(error) ? ` (${error.code})` : '';
  return fail(check, foreignText(`${message}${code}`), boundedText(hint ?? 'BUSBAR_DEBUG=1 shows the stack.'));
}
