/** Steps for requests. */

import type { Agent } from '@busbar/api';
import type { Lab } from '../context/test-context.ts';

/** Options of a request that must not end by its time-out. */
export const LONG = { timeoutMs: 25_000 } as const;

/** Opens a requester and a responder, each on its own bus. */
export async function pair(lab: Lab): Promise<{ readonly asker: Agent; readonly service: Agent }> {
  return { asker: await lab.agent('@asker'), service: await lab.agent('@service') };
}

/** Resolves when `signal` fires. */
export function untilFired(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
