// What the conformance suite needs to know of the Redis transport.
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import type { Harness, HarnessStore, StoreNeeds } from '@busbar/conformance';
import { missingServer, type RedisServer, startRedis } from '@busbar/testbed';
import { prefixOf } from '../src/connection/discovery.ts';
import { openRedis, parseRedisUrl } from '../src/index.ts';
import { untrustedClients } from './untrusted-clients.ts';

const noServer = missingServer('redis-server');
let shared: Promise<RedisServer> | undefined;

/** Stores are namespaces of one shared server. A case that needs control of the server gets its own. */
async function store(needs?: StoreNeeds): Promise<HarnessStore> {
  if (needs?.server === true) return ownServer();
  shared ??= startRedis();
  return storeAt(await shared);
}

async function ownServer(): Promise<HarnessStore> {
  const server = await startRedis({ proxy: true });
  const loss = await lossOf(server);
  return { ...storeAt(server), server, loss, remove: async () => await server[Symbol.asyncDispose]() };
}

/** The server is killed and started again without its files, or with earlier ones. */
async function lossOf(server: RedisServer): Promise<NonNullable<HarnessStore['loss']>> {
  const [, folder = ''] = (await server.call('CONFIG', 'GET', 'dir')) as string[];
  const saved = `${folder}.saved`;
  return {
    save: async () => cpSync(folder, saved, { recursive: true }),
    lose: async (to) => {
      await server.kill();
      rmSync(folder, { recursive: true });
      if (to === 'saved') cpSync(saved, folder, { recursive: true });
      else mkdirSync(folder);
      await server.start();
    },
  };
}

function storeAt(server: RedisServer): HarnessStore {
  const ns = crypto.randomUUID();
  // A history small enough for a case to overflow.
  const options = { ...parseRedisUrl(server.url), ns, retention: { maxEvents: 20_000 } };
  return {
    open: () => openRedis(options),
    openWith: (more) => openRedis({ ...options, ...more }),
    shiftFormat: async (by) => void (await server.call('HINCRBY', `${prefixOf({ ns })}header`, 'format', String(by))),
    opener: { module: new URL('../src/index.ts', import.meta.url).href, name: 'openRedis', argument: options },
    remove: async () => {
      await using transport = await openRedis(options);
      await transport.admin.clear();
    },
  };
}

export const harness: Harness = {
  name: 'redis',
  missing: { files: 'Its store is the memory of a server.' },
  ...(noServer !== undefined && { notTested: noServer }),
  untrustedClients,
  store,
};
