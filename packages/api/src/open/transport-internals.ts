/** What the facets of one transport share. */

import type { Driver } from '../contract/driver.ts';
import type { DeadlineQueue } from '../driver-kit/deadline-queue.ts';
import type { CallsUnderWay } from './inflight-calls.ts';
import type { HeldLeases } from './lease-tracker.ts';

/** Something that ends with the transport: a subscription, a watch, a server of calls. */
export interface Closable {
  close(): Promise<void>;
}

/** What the facets of one transport share. */
export interface Shared {
  readonly backend: Driver;
  /** The time-outs of calls and of waiting receives. */
  readonly deadlines: DeadlineQueue;
  readonly underWay: CallsUnderWay;
  readonly leases: HeldLeases;
  readonly closables: Set<Closable>;
  /** False once closing began. */
  isOpen(): boolean;
  /** Throws CLOSED unless the transport is open; with `whileClosing` also while it closes. */
  assertOpen(operation: string, whileClosing?: boolean): void;
}
