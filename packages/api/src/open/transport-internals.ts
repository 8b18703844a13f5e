/** The parts that the facets of one transport share. */

import type { Driver } from '../contract/driver.ts';
import type { ChurnSet } from '../driver-kit/churn.ts';
import type { DeadlineQueue } from '../driver-kit/deadline-queue.ts';
import type { KeepAlive } from '../driver-kit/keep-alive.ts';
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
  /** The process stays alive while a caller waits, and while a subscription, a watch or a service is open. */
  readonly keepAlive: KeepAlive;
  readonly closables: ChurnSet<Closable>;
}

/**
 * Has `live` end with the transport, and forgets it when it ends by itself. Closes it at once when the transport closes
 * already. With `keepsAlive` the process stays alive meanwhile.
 */
export function trackClosable<T extends Closable & { readonly ended: Promise<unknown> }>(
  live: T,
  { closables, lifecycle, keepAlive }: TransportInternals,
  keepsAlive = true,
): T {
  closables.add(live);
  if (keepsAlive) void keepAlive.during(live.ended);
  void live.ended.then(() => closables.delete(live));
  if (!lifecycle.isOpen) void live.close();
  return live;
}
