// The harness of the conformance suite for Unix sockets. Each hub is a process of its own.
import { constants, copyFile, writeFile } from 'node:fs/promises';
import type { Transport } from '@busbar/api/transport';
import type { Harness, HarnessServer, HarnessStore, UntrustedClient } from '@busbar/conformance';
import { openProxy, tempDir } from '@busbar/testbed';
import { openUnix, stopHub } from '../src/index.ts';
import { tokenOf } from './support/raw-peer.ts';
import { type RunningHub, startHub, whenServing } from './support/running-hub.ts';
import { lossOf } from './support/store-loss.ts';

const MODULE = new URL('../src/index.ts', import.meta.url).href;

/** Hubs with the store at `store`, a URL in which `$` is the path of a file in a temporary folder. */
export function unixHarness(name: string, store: string): Harness {
  let shared: Promise<RunningHub> | undefined;
  return {
    name,
    missing: {
      files: 'Its files belong to the store of the hub.',
      format: 'The format is that of the store of its hub.',
      ...(store.startsWith('memory:') && { reopen: 'The store in memory ends with its hub.' }),
    },
    untrustedClients: {
      wrongPassword: () => withWrongToken(store),
      denied: 'Every client with a valid token may send to a queue. A test of its own tries the rights of each token.',
      wrongAuthority: 'A Unix socket has no certificate.',
      impostor: () => boundToAgent(store),
    },
    async store(needs) {
      if (needs?.server === true) return ownStore(store);
      shared ??= startHub(store);
      return namespaceOf(await shared);
    },
  };
}

/** The name in the matrix. */
export const harness: Harness = unixHarness('unix', 'sqlite:$');

/** A new namespace in a hub that several cases share. */
function namespaceOf({ path }: RunningHub): HarnessStore {
  const options = { path, ns: `case-${crypto.randomUUID()}` };
  return {
    open: () => openUnix(options),
    openWith: (more) => openUnix({ ...options, ...more }),
    opener: { module: MODULE, name: 'openUnix', argument: options },
    remove: async () => {
      await using transport = await openUnix(options);
      await transport.admin.clear();
    },
  };
}

/** A separate hub, with a proxy between it and its clients. */
async function ownStore(store: string): Promise<HarnessStore> {
  const hub = await startHub(store);
  const folder = tempDir('busbar-wire');
  const path = folder.join('wire.sock');
  const proxy = await openProxy({ target: { path: hub.path }, listen: { path } });
  await copyFile(`${hub.path}.token`, `${path}.token`);
  const options = { path, heartbeatMs: 500 };
  const server = serverOf(hub, proxy, `${path}.token`);
  return {
    open: () => openUnix(options),
    openWith: (more) => openUnix({ ...options, ...more }),
    opener: { module: MODULE, name: 'openUnix', argument: options },
    server,
    loss: lossOf(server, store.startsWith('sqlite:') ? `${hub.path}.db` : undefined),
    remove: async () => {
      await proxy[Symbol.asyncDispose]();
      await hub[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** Connects with the token of another hub. */
async function withWrongToken(store: string): Promise<UntrustedClient> {
  const hub = await startHub(store);
  const folder = tempDir('busbar-wire');
  const path = folder.join('wire.sock');
  const proxy = await openProxy({ target: { path: hub.path }, listen: { path } });
  const token = 'a-token-of-another-hub';
  await writeFile(`${path}.token`, token, { mode: 0o600 });
  const remove = async (): Promise<void> => {
    await proxy[Symbol.asyncDispose]();
    await hub[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  };
  return { open: () => openUnix({ path }), secrets: [token, tokenOf(hub.path)], remove };
}

/** Names its agent in hello. */
async function boundToAgent(store: string): Promise<UntrustedClient> {
  const hub = await startHub(store);
  const open = (): Promise<Transport> => openUnix({ path: hub.path, agent: '@myself' });
  return { open, secrets: [tokenOf(hub.path)], remove: () => hub[Symbol.asyncDispose]() };
}

function serverOf({ path, child }: RunningHub, wire: HarnessServer['network'], token: string): HarnessServer {
  return {
    kill: async () => void (await child.kill()),
    stop: async () => {
      await stopHub(`unix:${path}`);
      await child.exited;
    },
    start: async () => {
      // A hub that ended by itself has removed its token. The next one keeps the token that clients behind the proxy read.
      await copyFile(token, `${path}.token`, constants.COPYFILE_EXCL).catch(ignoreExisting);
      await child.restart();
      await whenServing(path).catch((cause) => {
        throw new Error(`the hub does not serve: ${child.stderr}`, { cause });
      });
    },
    pause: () => child.stop(),
    resume: () => child.cont(),
    network: wire,
  };
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}
