/** The parts that the facets of one transport share. */

import type { Driver } from '../contract/driver.ts';
import type { DeadlineQueue } from '../driver-kit/deadline-queue.ts';
import type { InflightCalls } from './inflight-calls.ts';
import type { LeaseTracker } from './lease-tracker.ts';
import type { Lifecycle } from './lifecycle.ts';

/** Ends with the transport: a subscription, a watch, a service. */
export interface Closable {
  close(): Promise<void>;
}

/** The parts that the facets of one transport share. */
export interface TransportInternals {
  readonly driver: Driver;
  readonly lifecycle: Lifecycle;
  /** The time-outs of calls and of waiting receives. */
  readonly deadlines: DeadlineQueue;
  readonly inflight: InflightCalls;
  readonly leases: LeaseTracker;
  readonly closables: Set<Closable>;
}

/** Has `live` end with the transport, and forgets it when it ends by itself. Closes it at once when the transport closes already. */
export function trackClosable<T extends Closable & { readonly ended: Promise<unknown> }>(
  live: T,
  { closables, lifecycle }: TransportInternals,
): T {
  closables.add(live);
  void live.ended.then(() => closables.delete(live));
  if (!lifecycle.isOpen) void live.close();
  return live;
}
