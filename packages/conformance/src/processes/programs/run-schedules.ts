/** Runs schedules in its own process, until it stands still between sending a message and storing the next time. */

import { openBus } from '@busbar/api';
import type { Transport } from '@busbar/api/transport';
import { withStall } from '../../faults/stalled-schedules.ts';

let reached: Promise<void> | undefined;

/** Begins to run schedules. */
export function runSchedules(transport: Transport, { leaseMs }: { leaseMs: number }): void {
  const stalled = withStall(transport, 'before the record');
  reached = stalled.reached;
  openBus(stalled.transport, { onError: () => undefined, ownsTransport: false }).schedules.start({ leaseMs });
}

/** Resolves when it stands still. */
export async function untilStill(): Promise<void> {
  await reached;
}
