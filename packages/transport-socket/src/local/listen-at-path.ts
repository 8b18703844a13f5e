/** At most one hub for each path: a hub listens only while it holds the path's lock. */

import { setTimeout as sleep } from 'node:timers/promises';
import { BusbarError, quote } from '@busbar/api/transport';
import { FileLock } from './file-lock.ts';
import { prepareFolder } from './private-files.ts';

/** Whether a hub listens at a path. */
export type ListeningProbe = (path: string) => Promise<boolean>;

/** How long a hub that is ending may keep the lock. */
const LOCK_TIMEOUT_MS = 10_000;

/**
 * Takes the lock of `path`, then calls `listen`, which returns the function that stops listening. Rejects with CONFLICT
 * if another hub serves at `path`.
 */
export async function listenAtPath(
  path: string,
  isListening: ListeningProbe,
  listen: () => Promise<() => void | Promise<void>>,
): Promise<{ close(): Promise<void> }> {
  prepareFolder(path);
  const lock = await takeLock(path, isListening);
  try {
    const stop = await listen();
    return {
      async close() {
        await stop();
        lock.release();
      },
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}

async function takeLock(path: string, isListening: ListeningProbe): Promise<FileLock> {
  const deadline = performance.now() + LOCK_TIMEOUT_MS;
  for (;;) {
    const lock = await FileLock.tryTake(`${path}.lock`);
    if (lock !== undefined) return lock;
    if (performance.now() > deadline || (await isListening(path))) {
      throw new BusbarError('CONFLICT', `another hub serves at ${quote(path)}`, {
        hint: 'Connect to it, or stop it first: busbar hub stop.',
      });
    }
    await sleep(5 + Math.random() * 15);
  }
}
