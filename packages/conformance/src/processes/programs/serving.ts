/** An agent in a process of its own that takes requests and never answers. */

import { openBus } from '@busbar/api';
import type { Transport } from '@busbar/api/transport';

let begun = 0;

/** Serves requests of the type `work`, as the agent of this name; each is under way for ever. */
export async function serveForEver(transport: Transport, name: unknown): Promise<void> {
  const bus = openBus(transport, { presenceTtlMs: 500, ownsTransport: false });
  const agent = await bus.agent(String(name), { leaseMs: 500 });
  agent.handle('work', async () => {
    begun += 1;
    await new Promise(() => undefined);
  });
}

/** How many requests it has begun. */
export function atWork(): number {
  return begun;
}
