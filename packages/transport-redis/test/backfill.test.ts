import { startRedis } from '@busbar/testbed';
import { expect, test } from 'vitest';
import { openRedis, parseRedisUrl } from '../src/index.ts';

test('closing completes the backfill of a binding, so that others see the counts', async () => {
  await using server = await startRedis();
  const options = parseRedisUrl(server.url);
  await using reader = await openRedis(options);
  const events = Array.from({ length: 250 }, () => ({ body: Buffer.from('x') }));
  await reader.topics.publish('news', events);
  const binder = await openRedis(options);
  await binder.topics.bind('work', 'news', { from: 'start' });
  await binder.close();
  const [queue] = await reader.admin.queues({ names: ['work'] });
  expect(queue?.ready).toBe(250);
});
