/** Freezes a process at a moment when it holds no lock of the store. */

import { setTimeout as pause } from 'node:timers/promises';
import type { Transport } from '@busbar/api/transport';
import type { RemoteClient } from '../processes/remote-client.ts';

/** Upper bound for a write by another client while the store is not locked. */
const FREE_MS = 400;

/**
 * Sends SIGSTOP. A process that is stopped during a write keeps the lock of the file, as with any database. It is then
 * resumed and stopped again: only case I6 is about that lock.
 */
export async function freezeProcess(client: RemoteClient, transport: Transport): Promise<void> {
  for (;;) {
    client.pause();
    const write = transport.kv.delete('no-such-key').then(() => true);
    if (await Promise.race([write, pause(FREE_MS, false)])) return;
    client.resume();
    await write;
  }
}
