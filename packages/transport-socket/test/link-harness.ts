// What the conformance suite needs to know of the links of WebSocket and ZeroMQ: a hub in a process of its own.
import { copyFileSync } from 'node:fs';
import type { Harness, HarnessServer, HarnessStore } from '@busbar/conformance';
import { type Child, type FaultProxy, freePort, openProxy, spawnChild, tempDir, waitFor } from '@busbar/testbed';
import { hubStatus, openSocket, stopHub } from '../src/index.ts';

const PROGRAM = new URL('../../busbar/bin/busbar.js', import.meta.url);
const MODULE = new URL('../src/index.ts', import.meta.url).href;

/** One kind of link. */
export interface LinkKind {
  readonly name: string;
  /** The URL of a hub that lives at `path`. */
  url(path: string): string;
  /** The same for a hub whose clients come through a proxy. */
  behindProxy(path: string): Promise<Proxied>;
}

interface Proxied {
  /** Where the hub listens. */
  readonly listen: string;
  /** Opens the proxy, once the hub listens. */
  open(): Promise<{ readonly proxy: FaultProxy; readonly url: string }>;
}

export const ws: LinkKind = {
  name: 'ws',
  url: (path) => `ws:${path}`,
  async behindProxy() {
    const port = await freePort();
    return {
      listen: `ws://127.0.0.1:${port}/bus`,
      async open() {
        const front = await freePort();
        const proxy = await openProxy({
          target: { host: '127.0.0.1', port },
          listen: { host: '127.0.0.1', port: front },
        });
        return { proxy, url: `ws://127.0.0.1:${front}/bus` };
      },
    };
  },
};

export const zmq: LinkKind = {
  name: 'zmq',
  url: (path) => `zmq:ipc://${path}`,
  async behindProxy(path) {
    return {
      listen: `zmq:ipc://${path}`,
      async open() {
        const front = `${path}.wire`;
        copyFileSync(`${path}.token`, `${front}.token`);
        return { proxy: await openProxy({ target: { path }, listen: { path: front } }), url: `zmq:ipc://${front}` };
      },
    };
  },
};

/** Hubs over the store at `store`, a URL in which `$` is a path in a throw-away folder. */
export function linkHarness(kind: LinkKind, store: 'sqlite:$' | 'memory:'): Harness {
  let shared: Promise<string> | undefined;
  return {
    name: `${kind.name} (${store.replace(/:.*/, '')})`,
    missing: {
      files: 'Its files are those of the store that the hub lends.',
      ...(store === 'memory:' && { reopen: 'What the hub holds in memory goes with it.' }),
    },
    async store(needs) {
      if (needs?.server === true) return ownStore(kind, store);
      shared ??= sharedHub(kind, store);
      return namespaceOf(await shared);
    },
  };
}

async function sharedHub(kind: LinkKind, store: string): Promise<string> {
  const path = tempDir(`busbar-${kind.name}`).join('hub');
  const url = kind.url(path);
  await startHub(url, store.replace('$', `${path}.db`));
  return url;
}

/** A namespace of its own in a hub that many cases share. */
function namespaceOf(url: string): HarnessStore {
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

/** A hub of its own, with a proxy between it and its clients. */
async function ownStore(kind: LinkKind, store: string): Promise<HarnessStore> {
  const folder = tempDir(`busbar-${kind.name}`);
  const path = folder.join('hub');
  const { listen, open } = await kind.behindProxy(path);
  const child = await startHub(listen, store.replace('$', `${path}.db`));
  const { proxy, url } = await open();
  return {
    open: () => openSocket(url),
    opener: { module: MODULE, name: 'openSocket', argument: url },
    server: serverOf(listen, child, proxy),
    remove: async () => {
      await proxy[Symbol.asyncDispose]();
      await child.kill();
      await folder[Symbol.asyncDispose]();
    },
  };
}

function serverOf(url: string, child: Child, wire: HarnessServer['wire']): HarnessServer {
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
    pause: () => void child.stop(),
    resume: () => child.cont(),
    wire,
  };
}

async function startHub(url: string, store: string): Promise<Child> {
  const child = spawnChild({ file: PROGRAM, args: ['hub', '--store', store, '--listen', url] });
  await whenServing(url);
  return child;
}

async function whenServing(url: string): Promise<void> {
  await waitFor(() => hubStatus(url), { what: 'the hub to serve', timeoutMs: 15_000 });
}
