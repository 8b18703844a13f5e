/** A lock held by a process that a case pauses. */

import { isBusbarError, type Lock, openBus } from '@busbar/api';
import type { Transport } from '@busbar/api/transport';

let lock: Lock | undefined;

/** Acquires a lock that renews itself. Returns its token. */
export async function takeLock(transport: Transport, options: unknown): Promise<number> {
  const { name, leaseMs } = options as { name: string; leaseMs: number };
  const bus = openBus(transport, { ownsTransport: false });
  lock = await bus.lock(name, { leaseMs });
  return lock.token;
}

/** Returns true if the holder knows that the lock is lost. */
export function wasLost(): boolean {
  return lock?.lost === true && lock.signal.aborted;
}

/** Extends the lock. Returns the error code, or undefined on success. */
export async function extendLock(): Promise<string | undefined> {
  try {
    await lock?.extend();
    return undefined;
  } catch (error) {
    return isBusbarError(error) ? error.code : String(error);
  }
}

/** Releases the lock. */
export async function releaseLock(): Promise<void> {
  await lock?.release();
}
