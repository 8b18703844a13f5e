/** A server whose storage is used up. */

import { needServer, startNats, tempDir } from '@busbar/testbed';
import { connect } from '@nats-io/transport-node';
import { beforeEach, expect, test } from 'vitest';
import { openNats, parseNatsUrl } from '../src/index.ts';

beforeEach(({ skip }) => needServer('nats-server', skip));

const BODY = Buffer.alloc(200_000, 7);

test('without storage every write is BACKPRESSURE, and nothing is lost once there is some', async () => {
  await using folder = tempDir();
  const jetStream = `jetstream: { store_dir: ${JSON.stringify(folder.path)}, max_file_store: 8MB }`;
  await using server = await startNats({ config: [jetStream] });
  const options = parseNatsUrl(server.url);
  await using other = await openNats({ ...options, ns: 'other' });
  for (let sent = 0; sent < 20; sent += 1) await other.queues.send('big', [{ body: BODY }]);
  await using transport = await openNats(options);
  const stored: string[] = [];
  let refused: unknown;
  while (refused === undefined && stored.length < 100) {
    const [result] = await transport.queues.send('work', [{ body: BODY }]);
    if (result?.status === 'stored') stored.push(result.id);
    else refused = result?.error;
  }
  const full = { code: 'BACKPRESSURE', outcome: 'failed', hint: expect.stringContaining('max_file_store') };
  expect(refused).toMatchObject(full);
  await expect(transport.kv.put('key', Buffer.from('x'))).rejects.toMatchObject(full);
  await expect(transport.queues.receive('work', { waitMs: 100 })).rejects.toMatchObject(full);
  await expect(transport.queues.configure('work', { leaseMs: 5_000 })).rejects.toMatchObject(full);
  await expect(transport.topics.publish('news', [{ body: BODY }])).resolves.toMatchObject([
    { status: 'failed', error: { code: 'BACKPRESSURE' } },
  ]);
  const { messages } = await transport.admin.browse('work', { limit: 1_000 });
  expect(messages.map(({ message }) => message.id)).toEqual(stored);
  const client = await connect({ servers: `127.0.0.1:${new URL(server.url).port}` });
  await client.request('$JS.API.STREAM.DELETE.BUSBAR_other_QUEUES');
  await client.close();
  const got = new Set<string>();
  await expect
    .poll(
      async () => {
        const deliveries = await transport.queues.receive('work', { max: 10, waitMs: 100 }).catch(() => []);
        for (const { id } of deliveries) got.add(id);
        await transport.queues.settle(deliveries.map(({ receipt }) => ({ receipt, action: 'ack' })));
        return got.size;
      },
      { timeout: 40_000 },
    )
    .toBe(stored.length);
});
