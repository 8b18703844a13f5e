/** A lock in a process of its own, which is to be paused. */

import { isBusbarError, type Lock, openBus } from '@busbar/api';
import type { Transport } from '@busbar/api/transport';

let lock: Lock | undefined;

/** Takes a lock that renews itself; gives its token. */
export async function takeLock(transport: Transport, options: unknown): Promise<number> {
  const { name, ttlMs } = options as { name: string; ttlMs: number };
  const bus = openBus(transport, { ownsTransport: false });
  lock = await bus.lock(name, { ttlMs });
  return lock.token;
}

/** Whether the lock was lost, as its holder knows it. */
export function wasLost(): boolean {
  return lock?.lost === true && lock.signal.aborted;
}

/** Extends the lock; gives the code of the error, or undefined. */
export async function extendLock(): Promise<string | undefined> {
  try {
    await lock?.extend();
    return undefined;
  } catch (error) {
    return isBusbarError(error) ? error.code : String(error);
  }
}

/** Lets go of the lock. */
export async function releaseLock(): Promise<void> {
  await lock?.release();
}
