/** A cluster of three servers that keeps three replicas. `npm run test:full` runs the whole suite on one. */

import { type NatsCluster, needServer, startNatsCluster } from '@busbar/testbed';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { expect, test } from 'vitest';
import { openNats } from '../src/index.ts';

const addressesOf = ({ servers }: NatsCluster): string[] => servers.map(({ port }) => `127.0.0.1:${port}`);

test('with three replicas the loss of the server that leads loses no acknowledged send', async ({ skip }) => {
  needServer('nats-server', skip);
  await using cluster = await startNatsCluster();
  const options = { servers: addressesOf(cluster), ns: 'team', replicas: 3 };
  await using sender = await openNats(options);
  await using receiver = await openNats({ ...options, servers: options.servers.toReversed() });
  const acknowledged: string[] = [];
  const send = async (): Promise<void> => {
    const id = String(acknowledged.length);
    const [result] = await sender.queues.send('work', [{ id, body: Buffer.from(id) }]);
    expect(result?.status).toBe('stored');
    acknowledged.push(id);
  };
  for (let count = 0; count < 100; count += 1) await send();
  await (await leaderOf(cluster, options.servers))?.kill();
  for (let count = 0; count < 100; count += 1) await send();
  const received: string[] = [];
  while (received.length < acknowledged.length) {
    const deliveries = await receiver.queues.receive('work', { max: 100, waitMs: 10_000 });
    expect(deliveries).not.toHaveLength(0);
    received.push(...deliveries.map(({ id }) => id));
    const settled = await receiver.queues.settle(deliveries.map(({ receipt }) => ({ receipt, action: 'ack' })));
    expect(settled.every(({ status }) => status === 'done')).toBe(true);
  }
  expect(received).toEqual(acknowledged);
}, 60_000);

async function leaderOf(cluster: NatsCluster, servers: string[]): Promise<NatsCluster['servers'][number] | undefined> {
  await using connection = await connect({ servers });
  const { cluster: group, config } = await (await jetstreamManager(connection)).streams.info('BUSBAR_team_QUEUES');
  expect(config.num_replicas).toBe(3);
  return cluster.servers.find(({ port }) => group?.leader === `testbed-${port}`);
}
