// The harness of the conformance suite for WebSocket and ZeroMQ. Each hub is a process of its own.
import type { Harness, HarnessServer, HarnessStore } from '@busbar/conformance';
import { type Child, freePort, openProxy, spawnChild, tempDir, waitFor } from '@busbar/testbed';
import { hubStatus, openSocket, stopHub } from '../../src/index.ts';
import type { LinkKind } from './link-kinds.ts';
import { lossOf } from './store-loss.ts';
import { untrustedClientsOf } from './untrusted-clients.ts';

const PROGRAM = new URL('../../../busbar/bin/busbar.js', import.meta.url);
const MODULE = new URL('../../src/index.ts', import.meta.url).href;

/**
 * Hubs with the store at `store`, a URL in which `$` is a path in a temporary folder. `afterAll` gets what ends the hub that
 * cases share: the process of a test file is killed, so nothing removes its folder at exit.
 */
export function linkHarness(
  kind: LinkKind,
  store: 'sqlite:$' | 'memory:',
  afterAll: (end: () => Promise<void>) => void,
): Harness {
  let shared: Promise<SharedHub> | undefined;
  afterAll(async () => (await shared)?.end());
  return {
    name: `${kind.name} (${store.replace(/:.*/, '')})`,
    missing: {
      files: 'Its files belong to the store of the hub.',
      format: 'The format is that of the store of its hub.',
      options: 'The options of the store are those of its hub.',
      ...(store === 'memory:' && { reopen: 'The store in memory ends with its hub.' }),
    },
    untrustedClients: untrustedClientsOf(kind),
    async store(needs) {
      if (needs?.server === true) return ownStore(kind, store);
      shared ??= sharedHub(kind, store);
      return namespaceOf(await shared);
    },
  };
}

interface SharedHub {
  readonly url: string;
  end(): Promise<void>;
}

async function sharedHub(kind: LinkKind, store: string): Promise<SharedHub> {
  const folder = tempDir(`busbar-${kind.name}`);
  const path = folder.join('hub');
  const url = kind.url(path);
  const child = await startHub(url, store.replace('$', `${path}.db`));
  const end = async (): Promise<void> => {
    await child.kill();
    await folder[Symbol.asyncDispose]();
  };
  return { url, end };
}

/** A new namespace in a hub that several cases share. */
function namespaceOf({ url }: SharedHub): HarnessStore {
  const argument = `${url}?ns=case-${crypto.randomUUID()}`;
  return {
    open: () => openSocket(argument),
    opener: { module: MODULE, name: 'openSocket', argument },
    remove: async () => {
      await using transport = await openSocket(argument);
      await transport.admin.clear();
    },
  };
}

/** A separate hub, with a proxy between it and its clients. */
async function ownStore(kind: LinkKind, store: string): Promise<HarnessStore> {
  const folder = tempDir(`busbar-${kind.name}`);
  const port = await freePort();
  const child = await startHub(kind.at(port), store.replace('$', folder.join('hub.db')));
  const proxy = await openProxy({ target: { host: '127.0.0.1', port } });
  const url = `${kind.at(proxy.port)}?heartbeatMs=500`;
  const server = serverOf(kind.at(port), child, proxy);
  return {
    open: () => openSocket(url),
    opener: { module: MODULE, name: 'openSocket', argument: url },
    server,
    loss: lossOf(server, store === 'memory:' ? undefined : folder.join('hub.db')),
    remove: async () => {
      await proxy[Symbol.asyncDispose]();
      await child.kill();
      await folder[Symbol.asyncDispose]();
    },
  };
}

function serverOf(url: string, child: Child, wire: HarnessServer['network']): HarnessServer {
  return {
    kill: async () => void (await child.kill()),
    stop: async () => {
      await stopHub(url);
      await child.exited;
    },
    start: async () => {
      await child.restart();
      await whenServing(url);
    },
    pause: () => child.stop(),
    resume: () => child.cont(),
    network: wire,
  };
}

async function startHub(url: string, store: string): Promise<Child> {
  const child = spawnChild({ file: PROGRAM, args: ['hub', '--store', store, '--listen', url] });
  await whenServing(url);
  return child;
}

async function whenServing(url: string): Promise<void> {
  await waitFor(() => hubStatus(url), { what: 'the hub to serve', timeoutMs: 60_000 });
}
