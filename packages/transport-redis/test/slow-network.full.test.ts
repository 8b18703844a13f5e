// A network so slow that a large body takes longer than the server may be silent.
import { needServer, openProxy, startRedis } from '@busbar/testbed';
import { openRedis, parseRedisUrl } from '@busbar/transport-redis';
import { beforeEach, expect, test } from 'vitest';

beforeEach(({ skip }) => needServer('redis-server', skip));

/** Ten seconds. The kernels of both ends hold less than those of four. */
const BODY = new Uint8Array(40_000_000).fill(7);
const BYTES_PER_SECOND = 4_000_000;

test('a large body passes both ways without a new connection; a network without progress is noticed', async () => {
  await using server = await startRedis();
  await using proxy = await openProxy({ target: { host: '127.0.0.1', port: server.port } });
  const url = `redis://127.0.0.1:${proxy.port}?silenceMs=4s&maxBodyBytes=64000000`;
  await using transport = await openRedis(parseRedisUrl(url));
  const changes: string[] = [];
  transport.onState(({ state }) => void changes.push(state));
  proxy.slow(BYTES_PER_SECOND);
  const bounds = { timeoutMs: 90_000 };
  const [sent] = await transport.queues.send('large', [{ body: BODY }], bounds);
  expect(sent?.status).toBe('stored');
  const [delivery] = await transport.queues.receive('large', { ...bounds, waitMs: bounds.timeoutMs });
  expect(delivery?.body.byteLength).toBe(BODY.byteLength);
  expect(changes).toEqual([]);
  proxy.halfOpen();
  const waiting = transport.queues.send('large', [{ body: BODY }], bounds);
  await expect.poll(() => transport.state, { timeout: 20_000 }).toBe('reconnecting');
  proxy.heal();
  expect((await waiting)[0]?.status).toBe('stored');
}, 240_000);
