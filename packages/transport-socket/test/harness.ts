// What the conformance suite needs to know of the Unix link: a hub in a process of its own.
import type { Harness, HarnessServer, HarnessStore } from '@busbar/conformance';
import { type Child, openProxy, spawnChild, tempDir, waitFor } from '@busbar/testbed';
import { hubStatus, openUnix, stopHub } from '../src/index.ts';

const PROGRAM = new URL('../../busbar/bin/busbar.js', import.meta.url);
const MODULE = new URL('../src/index.ts', import.meta.url).href;

/** Hubs over the store at `store`, a URL in which `$` is a path in a throw-away folder. */
export function unixHarness(name: string, store: string): Harness {
  let shared: Promise<RunningHub> | undefined;
  return {
    name,
    missing: {
      files: 'Its files are those of the store that the hub lends.',
      ...(store.startsWith('memory:') && { reopen: 'What the hub holds in memory goes with it.' }),
    },
    async store(needs) {
      if (needs?.server === true) return ownStore(store);
      shared ??= startHub(store);
      return namespaceOf(await shared);
    },
  };
}

/** What the matrix shows. */
export const harness: Harness = unixHarness('unix', 'sqlite:$');

interface RunningHub {
  readonly path: string;
  readonly child: Child;
}

/** A namespace of its own in a hub that many cases share. */
function namespaceOf({ path }: RunningHub): HarnessStore {
  const options = { path, ns: `case-${crypto.randomUUID()}` };
  return {
    open: () => openUnix(options),
    opener: { module: MODULE, name: 'openUnix', argument: options },
    remove: async () => {
      await using transport = await openUnix(options);
      await transport.admin.clear();
    },
  };
}

/** A hub of its own, with a proxy between it and its clients. */
async function ownStore(store: string): Promise<HarnessStore> {
  const hub = await startHub(store);
  const folder = tempDir('busbar-wire');
  const path = folder.join('wire.sock');
  const proxy = await openProxy({ target: { path: hub.path }, listen: { path } });
  const { copyFile } = await import('node:fs/promises');
  await copyFile(`${hub.path}.token`, `${path}.token`);
  return {
    open: () => openUnix({ path }),
    opener: { module: MODULE, name: 'openUnix', argument: { path } },
    server: serverOf(hub, proxy),
    remove: async () => {
      await proxy[Symbol.asyncDispose]();
      await hub.child.kill();
      await folder[Symbol.asyncDispose]();
    },
  };
}

function serverOf({ path, child }: RunningHub, wire: HarnessServer['wire']): HarnessServer {
  return {
    kill: async () => void (await child.kill()),
    stop: async () => {
      await stopHub(`unix:${path}`);
      await child.exited;
    },
    start: async () => {
      await child.restart();
      await whenServing(path);
    },
    pause: () => void child.stop(),
    resume: () => child.cont(),
    wire,
  };
}

async function startHub(store: string): Promise<RunningHub> {
  const folder = tempDir('busbar-hub');
  const path = folder.join('hub.sock');
  const url = store.replace('$', `${path}.db`);
  const child = spawnChild({ file: PROGRAM, args: ['hub', '--store', url, '--listen', `unix:${path}`] });
  await whenServing(path);
  return { path, child };
}

async function whenServing(path: string): Promise<void> {
  await waitFor(() => hubStatus(`unix:${path}`), { what: 'the hub to serve', timeoutMs: 15_000 });
}
