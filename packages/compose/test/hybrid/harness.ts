// The harnesses of the conformance suite for a hybrid transport.
import { join } from 'node:path';
import type { Transport } from '@busbar/api/transport';
import type { Harness } from '@busbar/conformance';
import { missingServer, type RedisServer, startRedis, tempDir } from '@busbar/testbed';
import { openMemory } from '@busbar/transport-memory';
import { openRedis, parseRedisUrl, type RedisOptions } from '@busbar/transport-redis';
import { openSqlite } from '@busbar/transport-sqlite';
import { type HybridOptions, type HybridPart, openHybrid } from '../../src/index.ts';
import { lossOf } from '../file-loss.ts';

/** Small enough for a case to exceed it. */
const SMALL = { retention: { maxEvents: 20_000, maxBytes: 64 * 1024 * 1024 } };

const PARTS = 'The parts are tested for it.';

/** Memory beside SQLite, which has the keys and loses its data: within this process. */
export function memoryHybrid(routes: string, options: HybridOptions): Harness {
  return {
    name: `hybrid (memory, sqlite), ${routes}`,
    missing: {
      processes: 'Memory lives in one process.',
      reopen: 'Memory lives no longer than its last client.',
      files: PARTS,
      format: PARTS,
      options: 'Each part has its own options.',
    },
    serverless: true,
    async store() {
      const dir = tempDir('busbar-hybrid');
      const name = crypto.randomUUID();
      const fast = { name: 'memory', open: (): Promise<Transport> => openMemory({ name, ...SMALL }) };
      const durable = fileIn(dir.path);
      return {
        open: () => openHybrid({ fast, durable }, { reach: 'process', ...options }),
        loss: lossOf(join(dir.path, 'bus.db')),
        remove: async () => await dir[Symbol.asyncDispose](),
      };
    },
  };
}

/** For the mutants. */
export const harness: Harness = memoryHybrid('urgent fast', { urgent: 7 });

/** What another process needs to open a hybrid of Redis and SQLite. */
export interface RedisHybrid {
  readonly redis: RedisOptions;
  readonly folder: string;
  readonly options: HybridOptions;
}

/** Opens a hybrid of a Redis server and a file. */
export function openRedisHybrid({ redis, folder, options }: RedisHybrid): Promise<Transport> {
  const fast = { name: 'redis', open: (): Promise<Transport> => openRedis(redis) };
  return openHybrid({ fast, durable: fileIn(folder) }, options);
}

const noServer = missingServer('redis-server');
let shared: Promise<RedisServer> | undefined;

/** Redis beside SQLite, which has the keys and loses its data: any number of processes of this machine. */
export function redisHybrid(routes: string, options: HybridOptions): Harness {
  return {
    name: `hybrid (redis, sqlite), ${routes}`,
    missing: {
      server: 'Only one part has a server: outage.test.ts kills it.',
      files: PARTS,
      format: PARTS,
      options: 'Each part has its own options.',
    },
    ...(noServer !== undefined && { notTested: noServer }),
    async store() {
      shared ??= startRedis();
      const dir = tempDir('busbar-hybrid');
      const redis = {
        ...parseRedisUrl((await shared).url),
        ns: crypto.randomUUID(),
        retention: { maxEvents: SMALL.retention.maxEvents },
      };
      const argument: RedisHybrid = { redis, folder: dir.path, options };
      return {
        open: () => openRedisHybrid(argument),
        opener: { module: import.meta.url, name: 'openRedisHybrid', argument },
        loss: lossOf(join(dir.path, 'bus.db')),
        async remove() {
          await using transport = await openRedis(redis);
          await transport.admin.clear();
          await dir[Symbol.asyncDispose]();
        },
      };
    },
  };
}

function fileIn(folder: string): HybridPart {
  return { name: 'sqlite', open: () => openSqlite({ file: join(folder, 'bus.db'), durability: 'process', ...SMALL }) };
}
