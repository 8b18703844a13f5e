/** An agent in a process of its own, which is to be paused. */

import { openBus } from '@busbar/api';
import type { Transport } from '@busbar/api/transport';

let evicted = 0;
let handled = 0;

/** Registers the agent of this name, which counts as online for 400 ms after a sign of life. */
export async function registerAgent(transport: Transport, name: unknown): Promise<void> {
  const bus = openBus(transport, { presenceTtlMs: 400, ownsTransport: false });
  const agent = await bus.agent(String(name), { onEvicted: () => (evicted += 1) });
  agent.handle('meanwhile', () => {
    handled += 1;
  });
}

/** How often it learned that it had counted as offline. */
export function evictions(): number {
  return evicted;
}

/** How much mail it handled. */
export function mailHandled(): number {
  return handled;
}
