/** Repeats calls while the server is killed and started again. */

import { setTimeout as sleep } from 'node:timers/promises';
import { isBusbarError } from 'busbar';

const RETRY_EVERY_MS = 50;
const TIMEOUT_MS = 30_000;

/**
 * Repeats `work` while it fails with UNAVAILABLE. A call may have had its effect before the server died, so `work` must be
 * idempotent: it only reads, or it gives what it sends an id.
 */
export async function retryWhileUnavailable<T>(work: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + TIMEOUT_MS;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const isAway = isBusbarError(error) && error.code === 'UNAVAILABLE';
      if (!isAway || performance.now() > deadline) throw error;
    }
    await sleep(RETRY_EVERY_MS);
  }
}
