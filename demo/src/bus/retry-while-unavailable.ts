/** Calls that go on while the server is killed and started again. */

import { setTimeout as sleep } from 'node:timers/promises';
import { isBusbarError } from 'busbar';

const TRY_AGAIN_MS = 50;
const PATIENCE_MS = 30_000;

/**
 * Repeats work that failed since the server is away. What became of a call that was under way when the server died is not
 * known, so `work` must be one that may be done twice: it looks, or it gives what it sends an id.
 */
export async function patiently<T>(work: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isAway(error) || performance.now() > deadline) throw error;
    }
    await sleep(TRY_AGAIN_MS);
  }
}

function isAway(error: unknown): boolean {
  return isBusbarError(error) && error.code === 'UNAVAILABLE';
}
