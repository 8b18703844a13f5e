/** The conformance cases of the cluster profile, on a Redis Cluster of three masters. */

import type { Harness } from '@busbar/conformance';
import { testTransport } from '@busbar/conformance/vitest';
import { missingServer, type RedisCluster, startRedisCluster } from '@busbar/testbed';
import { openRedis } from '../src/index.ts';

const noServer = missingServer('redis-server');
let shared: Promise<RedisCluster> | undefined;

const harness: Harness = {
  name: 'redis (cluster)',
  missing: {
    files: 'Its store is the memory of servers.',
    options: 'Options are tested on a single server.',
    format: 'The format is tested on a single server.',
    server: 'Losing a node is tested with sentinels, in outage.test.ts.',
  },
  ...(noServer !== undefined && { notTested: noServer }),
  async store() {
    shared ??= startRedisCluster();
    const servers = (await shared).servers.map(({ port }) => `127.0.0.1:${port}`);
    const options = { servers, ns: crypto.randomUUID() };
    return {
      open: () => openRedis(options),
      opener: { module: new URL('../src/index.ts', import.meta.url).href, name: 'openRedis', argument: options },
      remove: async () => {
        await using transport = await openRedis(options);
        await transport.admin.clear();
      },
    };
  },
};

testTransport(harness, { profile: 'cluster' });
