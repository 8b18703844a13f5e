/** Servers that subjects need, each started for one measurement and thrown away after it. */

import { once } from 'node:events';
import { connect, type NetConnectOpts } from 'node:net';
import { fileURLToPath } from 'node:url';
import { findServer, freePort, spawnChild, startNats, startRedis, waitFor } from '@busbar/testbed';
import type { Durability } from '../options.ts';
import { endOrderly } from '../processes/end-process.ts';

/** A running server. */
export interface Served extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
}

/** One kind of server. */
export interface ServerKind {
  /** How durably it can be told to store. */
  readonly durabilities: readonly Durability[];
  /** Why there is none on this machine; undefined where there is. */
  missing(): string | undefined;
  start(durability: Durability, folder: string): Promise<Served>;
}

const BUSBAR = fileURLToPath(new URL('../../../packages/busbar/bin/busbar.js', import.meta.url));

/** The name of one of {@link SERVERS}. */
export type ServerName = 'redis' | 'nats' | 'unix' | 'zmq' | 'ws';

export const SERVERS: Readonly<Record<ServerName, ServerKind>> = {
  redis: {
    durabilities: ['none', 'process', 'power'],
    missing: () => (findServer('redis-server') ? undefined : 'redis-server was not found'),
    // Only `always` keeps what was acknowledged when the server is killed while the disk is busy.
    start: (durability) => startRedis({ config: durability === 'none' ? ['appendonly no'] : ['appendfsync always'] }),
  },
  nats: {
    durabilities: ['none', 'process'],
    missing: () => (findServer('nats-server') ? undefined : 'nats-server was not found'),
    start: () => startNats(),
  },
  unix: hub(
    (folder) => ({ path: `${folder}/hub.sock` }),
    ({ path }) => `unix:${path}`,
  ),
  zmq: hub(
    (folder) => ({ path: `${folder}/hub.zmq` }),
    ({ path }) => `zmq:ipc://${path}`,
  ),
  ws: hub(
    (_folder, port) => ({ port, host: '127.0.0.1' }),
    ({ port }) => `ws://127.0.0.1:${port}/bus`,
  ),
};

/** A hub with one link, over SQLite or, where nothing is to last, over memory. */
function hub<A extends NetConnectOpts>(
  addressOf: (folder: string, port: number) => A,
  urlOf: (a: A) => string,
): ServerKind {
  return {
    durabilities: ['none', 'process', 'power'],
    missing: () => undefined,
    async start(durability, folder) {
      const address = addressOf(folder, await freePort());
      const url = urlOf(address);
      const store = durability === 'none' ? 'memory:' : `sqlite:${folder}/hub.db?durability=${durability}`;
      const child = spawnChild({ file: BUSBAR, args: ['hub', '--store', store, '--listen', url], cwd: folder });
      try {
        await waitFor(() => isListening(address), { what: `${url} to be served` });
      } catch (error) {
        await child[Symbol.asyncDispose]();
        throw new Error(`the hub does not serve: ${child.stderr}`, { cause: error });
      }
      return { url, pid: child.pid, [Symbol.asyncDispose]: () => endOrderly(child) };
    },
  };
}

async function isListening(address: NetConnectOpts): Promise<boolean> {
  const socket = connect(address);
  try {
    await once(socket, 'connect');
    return true;
  } finally {
    socket.destroy();
  }
}
