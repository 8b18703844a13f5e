/** Those of a process who wait for one queue. */

import type { CallContext, ReceiveRequest } from '@busbar/api/driver';
import type { Delivery } from '@busbar/api/transport';

/** One receive. */
export interface Waiter {
  readonly queue: string;
  readonly wanted: ReceiveRequest;
  readonly context: CallContext;
  readonly deadline: number;
  readonly resolve: (deliveries: Delivery[]) => void;
  readonly reject: (error: unknown) => void;
  /** It found nothing, and waits now. */
  isWaiting: boolean;
  isOver: boolean;
}

/** Those who wait for one queue, and how far looking for messages is. */
export class WaitingLine {
  readonly queue: string;
  readonly waiters: Set<Waiter> = new Set();
  isClaiming = false;
  /** There may be something new since the claim that is under way. */
  hasNews = false;

  constructor(queue: string) {
    this.queue = queue;
  }

  /** The waiters that one claim asks for: those with the consumer of the first. */
  group(max: number): { readonly waiters: readonly Waiter[]; readonly wanted: number } {
    const waiters: Waiter[] = [];
    let wanted = 0;
    let consumer: string | undefined;
    for (const waiter of this.waiters) {
      if (waiters.length === 0) consumer = waiter.wanted.consumer;
      if (waiter.wanted.consumer !== consumer || wanted >= max) continue;
      waiters.push(waiter);
      wanted += waiter.wanted.max;
    }
    return { waiters, wanted: Math.min(max, wanted) };
  }
}
