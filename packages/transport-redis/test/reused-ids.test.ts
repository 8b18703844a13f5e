/** An id that is sent again after its window while an older message of it is still in the queue. */

import { openBus } from '@busbar/api';
import type { Transport } from '@busbar/api/transport';
import { needServer, type RedisServer, startRedis, waitFor } from '@busbar/testbed';
import { beforeEach, expect, test } from 'vitest';
import { openRedis, parseRedisUrl } from '../src/index.ts';

beforeEach(({ skip }) => needServer('redis-server', skip));

const DEDUPE = '{busbar:}:dedupe:';

test('both messages are delivered, and an operator finds and changes each', async () => {
  await using server = await startRedis();
  await using transport = await openRedis(parseRedisUrl(server.url));
  const { queues, admin } = transport;
  await bury(transport, 'one');
  await sendAgain(server, transport, 'second');
  await sendAgain(server, transport, 'third');
  const found = (await admin.browse('work', { ids: ['one'] })).messages;
  expect(found.map(({ state, message }) => [state, message.id, textOf(message.body)])).toEqual([
    ['ready', 'one', 'second'],
    ['ready', 'one', 'third'],
    ['dead', 'one', 'first'],
  ]);
  const delivered = await queues.receive('work', { max: 5 });
  expect(delivered.map(({ body }) => textOf(body))).toEqual(['second', 'third']);
  expect(await admin.cancel('work', ['one'])).toEqual([{ id: 'one', status: 'started' }]);
  expect(await admin.redrive('work', { ids: ['one'] })).toBe(1);
  expect((await queues.receive('work', { max: 5 })).map(({ body }) => textOf(body))).toEqual(['first']);
});

test('a key that is put in again after its task died: its newest run is what counts (C4)', async () => {
  await using server = await startRedis();
  const bus = openBus(await openRedis(parseRedisUrl(server.url)), { onError: () => undefined });
  let runs = 0;
  const worker = await bus.process(
    'work',
    () => {
      runs += 1;
      if (runs === 1) throw new Error('the first run fails');
      return 'the second succeeds';
    },
    { maxAttempts: 1 },
  );
  const first = await bus.enqueue('work', 'body', { dedupeKey: 'key' });
  await waitFor(async () => (await first.status()) === 'dead', { what: 'the task to die' });
  await expireWindows(server);
  const second = await bus.enqueue('work', 'body', { dedupeKey: 'key' });
  await waitFor(() => runs === 2, { what: 'the second run' });
  await waitFor(async () => (await bus.transport.admin.queues({ names: ['work'] }))[0]?.totals.done === 1, {
    what: 'the second run to end',
  });
  const found = (await bus.transport.admin.browse('work', {})).messages;
  expect(found.map(({ state }) => state)).toEqual(['dead']);
  expect(second.id).toBe(first.id);
  await worker.close();
  await bus.close();
});

async function bury({ queues }: Transport, id: string): Promise<void> {
  await queues.send('work', [{ id, body: Buffer.from('first') }]);
  const [delivery] = await queues.receive('work', { waitMs: 5_000 });
  await queues.settle([{ receipt: delivery?.receipt ?? '', action: 'reject' }]);
}

async function sendAgain(server: RedisServer, { queues }: Transport, body: string): Promise<void> {
  await expireWindows(server);
  const [sent] = await queues.send('work', [{ id: 'one', body: Buffer.from(body) }]);
  expect(sent?.status).toBe('stored');
}

/** As if the windows of all ids were over. */
async function expireWindows(server: RedisServer): Promise<void> {
  for (const id of (await server.call('ZRANGE', `${DEDUPE}work`, '0', '-1')) as string[]) {
    await server.call('ZADD', `${DEDUPE}work`, '1', id);
  }
}

function textOf(body: Uint8Array): string {
  return Buffer.from(body).toString();
}
