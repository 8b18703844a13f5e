// Background work that fails is reported to the bus, and goes on when its cause is gone.
import { type BackgroundFailure, openBus } from '@busbar/api';
import { needServer, startRedis, waitFor } from '@busbar/testbed';
import { expect, test } from 'vitest';
import { openRedis, parseRedisUrl } from '../src/index.ts';

const DUE = '{busbar:}:due';

test('maintenance that the server refuses is reported, and is done later', async ({ skip }) => {
  needServer('redis-server', skip);
  await using server = await startRedis({ config: ['appendfsync no'] });
  const failures: BackgroundFailure[] = [];
  await using bus = openBus(await openRedis(parseRedisUrl(server.url)), {
    onError: (failure) => failures.push(failure),
  });
  const { queues } = bus.transport;
  await queues.send('work', [{ id: 'now', body: new Uint8Array(1) }]);
  const waiting = queues.receive('none', { waitMs: 60_000 }).catch(() => []);
  // The plan of maintenance is a key of a wrong type.
  await server.call('DEL', DUE);
  await server.call('SET', DUE, 'broken');
  await waitFor(() => failures.length > 0, { what: 'the report', timeoutMs: 20_000 });
  expect(failures[0]).toMatchObject({ kind: 'background', work: 'maintenance', place: 'background maintenance' });
  expect(failures[0]?.error.message).toContain('WRONGTYPE');
  await server.call('DEL', DUE);
  await waitFor(async () => (await server.call('TYPE', DUE)) === 'zset', { what: 'the plan', timeoutMs: 20_000 });
  await bus.close();
  await waiting;
});
