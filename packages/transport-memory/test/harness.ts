// What the conformance suite needs to know of the memory transport.
import type { Harness } from '@busbar/conformance';
import { openMemory } from '../src/index.ts';

export const harness: Harness = {
  name: 'memory',
  missing: {
    processes: 'It lives in one process.',
    reopen: 'It lives no longer than its last client.',
    files: 'It has no files.',
    format: 'It has no store that lasts.',
  },
  serverless: true,
  async store() {
    const name = crypto.randomUUID();
    return {
      open: () => openMemory({ name }),
      openWith: (options) => openMemory({ name, ...options }),
      loss: { lose: () => clear(name) },
      remove: async () => undefined,
    };
  },
};

async function clear(name: string): Promise<void> {
  await using transport = await openMemory({ name });
  await transport.admin.clear();
}
