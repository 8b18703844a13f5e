/** Servers of targets. Each measurement starts one and removes it afterwards. */

import { once } from 'node:events';
import { connect, type NetConnectOpts } from 'node:net';
import { fileURLToPath } from 'node:url';
import { findServer, freePort, spawnChild, startNats, startRedis, waitFor } from '@busbar/testbed';
import type { Durability } from '../durability.ts';
import { endProcess } from '../processes/end-process.ts';
import { findPostgres, startPostgres } from './postgres.ts';
import type { RunningServer } from './running-server.ts';

/** One kind of server. */
export interface ServerKind {
  /** Durabilities that it can be configured for. */
  readonly durabilities: readonly Durability[];
  /** Why the server cannot be started on this machine; undefined if it can. */
  missing(): string | undefined;
  start(durability: Durability, folder: string): Promise<RunningServer>;
}

const BUSBAR = fileURLToPath(new URL('../../../packages/busbar/bin/busbar.js', import.meta.url));

/** The name of one of {@link SERVERS}. */
export type ServerName = 'redis' | 'nats' | 'unix' | 'zmq' | 'ws' | 'postgres';

export const SERVERS: Readonly<Record<ServerName, ServerKind>> = {
  redis: {
    durabilities: ['none', 'process', 'power'],
    missing: () => (findServer('redis-server') ? undefined : 'redis-server was not found'),
    // Only `always` keeps acknowledged writes when the server is killed while the disk is busy.
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
  postgres: {
    durabilities: ['none', 'process', 'power'],
    missing: () => (findPostgres() ? undefined : 'postgres and initdb were not found'),
    start: startPostgres,
  },
};

/** Only a busy machine takes this long. */
const START_MS = 30_000;

/** A hub with one link, over SQLite; with durability `none` over memory. */
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
        await waitFor(() => isListening(address), { what: `a hub at ${url}`, timeoutMs: START_MS });
      } catch (error) {
        await child[Symbol.asyncDispose]();
        throw new Error(`the hub did not start: ${child.stderr}`, { cause: error });
      }
      return { url, pid: child.pid, [Symbol.asyncDispose]: () => endProcess(child) };
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
