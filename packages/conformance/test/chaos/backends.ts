// The backends of a round: a store of its own, with a server where there is one.
import type { Harness } from '@busbar/conformance';

/** Loads the harness of each backend. */
const LOADERS: Readonly<Record<string, () => Promise<Harness>>> = {
  memory: async () => (await import('../../../transport-memory/test/harness.ts')).harness,
  sqlite: async () => (await import('../../../transport-sqlite/test/harness.ts')).harness,
  redis: async () => (await import('../../../transport-redis/test/harness.ts')).harness,
  nats: async () => (await import('../../../transport-nats/test/harness.ts')).harness,
  unix: async () => (await import('../../../transport-socket/test/harness.ts')).harness,
  zmq: () => loadLink('zmq'),
  ws: () => loadLink('ws'),
};

/** The names of all backends. */
export const BACKENDS: readonly string[] = Object.keys(LOADERS);

/** Loads the harness of a backend. */
export async function loadHarness(backend: string): Promise<Harness> {
  const load = LOADERS[backend];
  if (load === undefined) throw new Error(`no backend ${backend} among ${BACKENDS.join(', ')}`);
  return load();
}

async function loadLink(name: 'zmq' | 'ws'): Promise<Harness> {
  const { linkHarness } = await import('../../../transport-socket/test/support/link-harness.ts');
  const kinds = await import('../../../transport-socket/test/support/link-kinds.ts');
  return linkHarness(kinds[name], 'sqlite:$', () => undefined);
}
