/** What the handler of a parent gets for each child. */

import type { BusbarError } from '../../contract/errors.ts';

/** A child of a flow that has ended. */
export type ChildResult<R = unknown> = {
  readonly id: string;
  readonly queue: string;
} & (
  | { readonly state: 'done'; readonly result: R }
  /** `dead`: a dead letter. `unknown`: there is no trace of it, or its result is no longer stored. */
  | { readonly state: 'dead' | 'cancelled' | 'unknown'; readonly error: BusbarError }
);
