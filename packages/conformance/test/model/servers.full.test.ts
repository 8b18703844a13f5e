// Random histories have the same outcome on Redis, NATS and memory.
import { startNats, startRedis } from '@busbar/testbed';
import { openNats, parseNatsUrl } from '@busbar/transport-nats';
import { openRedis, parseRedisUrl } from '@busbar/transport-redis';
import { test } from 'vitest';
import { compareWithMemory } from './compare.ts';

const RUNS = Number(process.env['MODEL_RUNS'] ?? 100);

test('random histories give the same on Redis and on memory', { timeout: 3_000_000 }, async () => {
  await using server = await startRedis();
  const openStore = (ns: string) => () => openRedis({ ...parseRedisUrl(server.url), ns });
  await compareWithMemory({ runs: RUNS, openStore });
});

test('random histories give the same on NATS and on memory', { timeout: 3_000_000 }, async () => {
  await using server = await startNats();
  const openStore = (ns: string) => () => openNats({ ...parseNatsUrl(server.url), ns });
  await compareWithMemory({ runs: RUNS, omitted: ['orderingKey', 'priority', 'maxLength'], openStore });
});
