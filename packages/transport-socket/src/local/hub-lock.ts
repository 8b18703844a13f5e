/** The lock that makes its holder the hub of a path: who else wants to be it gives up, or waits while one ends. */

import { setTimeout as sleep } from 'node:timers/promises';
import { BusbarError, quote } from '@busbar/api/transport';
import { KernelLock } from './file-lock.ts';

/** Whether somebody serves at a path. */
export type Probe = (path: string) => Promise<boolean>;

/** How long a hub that is just ending may keep the lock. */
const WITHIN_MS = 10_000;

/** Takes the lock of `path`. Rejects with CONFLICT where another hub has it and serves. */
export async function takeHubLock(path: string, isListening: Probe): Promise<KernelLock> {
  const until = performance.now() + WITHIN_MS;
  for (;;) {
    const lock = await KernelLock.tryTake(`${path}.lock`);
    if (lock !== undefined) return lock;
    if (performance.now() > until || (await isListening(path))) {
      throw new BusbarError('CONFLICT', `another hub has ${quote(path)}`, {
        hint: 'Connect to it, or stop it first: busbar hub stop.',
      });
    }
    await sleep(5 + Math.random() * 15);
  }
}
