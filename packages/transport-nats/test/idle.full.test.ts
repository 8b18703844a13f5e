/** Queues that were idle for too long leave nothing on the server. */

import { needServer, startNats } from '@busbar/testbed';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { beforeEach, expect, test } from 'vitest';
import { openNats, parseNatsUrl } from '../src/index.ts';

beforeEach(({ skip }) => needServer('nats-server', skip));

test('the record, the consumer and the messages of an idle queue go by themselves', async () => {
  await using server = await startNats();
  await using transport = await openNats(parseNatsUrl(server.url));
  await transport.queues.configure('short', { expireIdleMs: 1_000 });
  await transport.queues.configure('lasting');
  for (const queue of ['short', 'lasting']) {
    await transport.queues.send(queue, [{ body: Buffer.from('x') }, { body: Buffer.from('y') }]);
    expect(await transport.queues.receive(queue)).toHaveLength(1);
  }
  await using connection = await connect({ servers: new URL(server.url).host });
  const manager = await jetstreamManager(connection);
  const left = async (): Promise<unknown> => {
    const consumers = await manager.consumers.list('BUSBAR_QUEUES').next();
    const { state } = await manager.streams.info('BUSBAR_QUEUES');
    return [consumers.map(({ config }) => config.metadata?.['queue']), state.messages];
  };
  await expect.poll(left, { timeout: 40_000, interval: 500 }).toEqual([['lasting'], 2]);
  expect((await transport.admin.queues()).map(({ name }) => name)).toEqual(['lasting']);
}, 60_000);
