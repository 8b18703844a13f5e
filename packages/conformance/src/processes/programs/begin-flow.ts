/** Begins a flow in its own process, which stands still after the parent is stored, before it sends the children. */

import { type Flow, openBus } from '@busbar/api';
import type { Transport } from '@busbar/api/transport';
import { withFlowStall } from '../../faults/stalled-flows.ts';

let reached: Promise<void> | undefined;

/** Calls `bus.flow`, without waiting for it. */
export function beginFlow(transport: Transport, flow: Flow): void {
  const stalled = withFlowStall(transport, 'before the children', String(flow.queue));
  reached = stalled.reached;
  void openBus(stalled.transport, { onError: () => undefined, ownsTransport: false }).flow(flow);
}

/** Resolves when it stands still. */
export async function untilStill(): Promise<void> {
  await reached;
}
