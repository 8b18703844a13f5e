/** A receive that has nothing yet. */

import type { CallContext, ReceiveRequest } from '@busbar/api/driver';
import type { BusbarError, Delivery } from '@busbar/api/transport';
import type { Transaction } from '../connection/transaction.ts';

/** One receive, from its call to its answer. */
export interface Waiter {
  readonly queue: string;
  readonly wanted: ReceiveRequest;
  readonly context: CallContext;
  readonly resolve: (deliveries: Delivery[]) => void;
  readonly reject: (error: BusbarError) => void;
  readonly deadline: number;
  /** It was told that there is nothing, and waits for what comes. */
  isWaiting: boolean;
  /** The transaction that decided it: a second claim in the same one must not lease more for it. */
  decidedIn: Transaction | undefined;
  isOver: boolean;
}

/** Whether it has not been told yet that there is nothing. */
export function isNew(waiter: Waiter): boolean {
  return !waiter.isOver && !waiter.isWaiting;
}
