// What the conformance suite needs to know of the Redis transport.
import type { Harness, HarnessStore, StoreNeeds } from '@busbar/conformance';
import { missingServer, type RedisServer, startRedis } from '@busbar/testbed';
import { prefixOf } from '../src/connection/discovery.ts';
import { openRedis, parseRedisUrl } from '../src/index.ts';
import { untrustedClients } from './untrusted-clients.ts';

const noServer = missingServer('redis-server');
let shared: Promise<RedisServer> | undefined;

/** Stores in namespaces of one server, which dies with this process; a case about the server gets one of its own. */
async function store(needs?: StoreNeeds): Promise<HarnessStore> {
  if (needs?.server === true) return ownServer();
  shared ??= startRedis();
  return storeAt(await shared);
}

async function ownServer(): Promise<HarnessStore> {
  const server = await startRedis({ proxy: true });
  return { ...storeAt(server), server, remove: async () => await server[Symbol.asyncDispose]() };
}

function storeAt(server: RedisServer): HarnessStore {
  const ns = crypto.randomUUID();
  // A history that a case can overflow; the rest is as it is by default.
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

/** What the matrix shows. */
export const harness: Harness = {
  name: 'redis',
  missing: { files: 'Its store is the memory of a server.' },
  ...(noServer !== undefined && { notTested: noServer }),
  untrustedClients,
  store,
};
