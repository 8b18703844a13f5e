/** Stopping a process where it holds nobody up. */

import { setTimeout as pause } from 'node:timers/promises';
import type { Transport } from '@busbar/api/transport';
import type { RemoteClient } from '../processes/remote-client.ts';

/** A write of others takes no longer when nobody stands in its way. */
const FREE_MS = 400;

/**
 * SIGSTOP. One that is stopped in the middle of a write to a file keeps the file's lock, as any database would have it: then it
 * goes on and is stopped anew, since that is not what the case is about (I6 is).
 */
export async function standStill(client: RemoteClient, transport: Transport): Promise<void> {
  for (;;) {
    client.pause();
    const write = transport.kv.delete('nobody has this key').then(() => true);
    if (await Promise.race([write, pause(FREE_MS, false)])) return;
    client.resume();
    await write;
  }
}
