/** The memory transport: a bus within one process, and the reference for other drivers. */

import { openTransport } from '@busbar/api/driver';
import type { Transport } from '@busbar/api/transport';
import { MemoryDriver } from './memory-driver.ts';
import { type MemoryOptions, OPTIONS, parseMemoryUrl } from './options.ts';

export { type MemoryOptions, parseMemoryUrl };

/** Opens a transport over a store in this process. Throws INVALID_ARGUMENT for bad options. */
export async function openMemory(options?: MemoryOptions): Promise<Transport> {
  const settings = OPTIONS.complete(options);
  return openTransport(new MemoryDriver(settings), settings);
}
