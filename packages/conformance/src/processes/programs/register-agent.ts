/** An agent in a process that a case pauses. */

import { openBus } from '@busbar/api';
import type { Transport } from '@busbar/api/transport';

let evicted = 0;
let handled = 0;

/** Registers the agent `name` with a presence of 400 ms. */
export async function registerAgent(transport: Transport, name: unknown): Promise<void> {
  const bus = openBus(transport, { presenceTtlMs: 400, ownsTransport: false });
  const agent = await bus.agent(String(name), { onEvicted: () => (evicted += 1) });
  agent.handle('meanwhile', () => {
    handled += 1;
  });
}

/** Number of evictions the agent observed. */
export function evictions(): number {
  return evicted;
}

/** Number of handled messages. */
export function mailHandled(): number {
  return handled;
}
