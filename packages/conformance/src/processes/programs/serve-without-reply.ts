/** An agent in its own process that accepts requests and never responds. */

import { openBus } from '@busbar/api';
import type { Transport } from '@busbar/api/transport';

let begun = 0;

/** Handles requests of the type `work` as the agent `name`. The handler never returns. */
export async function serveWithoutReply(transport: Transport, name: unknown): Promise<void> {
  const bus = openBus(transport, { presenceTtlMs: 500, ownsTransport: false });
  const agent = await bus.agent(String(name), { leaseMs: 500 });
  agent.handle('work', async () => {
    begun += 1;
    await new Promise(() => undefined);
  });
}

/** Number of requests that were started. */
export function startedRequests(): number {
  return begun;
}
