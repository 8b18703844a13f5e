/** Requests as cases make them. */

import type { Agent } from '@busbar/api';
import type { Lab } from '../context/test-context.ts';

/** Bounds of a request that shall not end by its time-out. */
export const LONG = { timeoutMs: 25_000 } as const;

/** An agent that asks and one that answers, each on a bus of its own. */
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
