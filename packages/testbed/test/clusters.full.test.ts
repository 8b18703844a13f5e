import {
  needServer,
  type RedisServer,
  startNatsCluster,
  startRedisCluster,
  startRedisSentinel,
  waitFor,
} from '@busbar/testbed';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { beforeEach, describe, expect, test } from 'vitest';

describe.concurrent('Redis', () => {
  beforeEach(({ skip }) => needServer('redis-server', skip));

  test('a cluster of 3 masters serves every slot, also after one is killed and restarted', async () => {
    await using cluster = await startRedisCluster();
    const [first, second, third] = cluster.servers as [RedisServer, RedisServer, RedisServer];
    // The slots of these keys are in three different thirds.
    await first.call('SET', 'b', '1');
    await second.call('SET', 'c', '1');
    await third.call('SET', 'a', '1');
    await expect(first.call('GET', 'a')).rejects.toThrow(`127.0.0.1:${third.port}`);
    await third.kill();
    await waitFor(async () => String(await first.call('CLUSTER', 'INFO')).includes('cluster_state:fail'), {
      what: 'the others to notice',
    });
    await third.start();
    await cluster.usable();
    expect(await third.call('GET', 'a')).toBe('1');
  });

  test('a cluster with replicas continues without one master', { timeout: 30_000 }, async () => {
    await using cluster = await startRedisCluster({ replicas: 1, password: 'secret' });
    const [first, , third] = cluster.servers as RedisServer[];
    const replica = cluster.servers[5]!;
    await third!.kill();
    await waitFor(async () => replica.call('SET', 'a', '1'), { what: 'the replica to take over', timeoutMs: 15_000 });
    await waitFor(async () => String(await first!.call('CLUSTER', 'INFO')).includes('cluster_state:ok'), {
      what: 'the others to know of it',
    });
  });

  test('sentinels promote a replica when the master is killed', { timeout: 30_000 }, async () => {
    await using group = await startRedisSentinel({ replicas: 2, password: 'secret' });
    const [first] = group.data;
    expect(await group.master()).toBe(first);
    await first!.kill();
    const isOther = async (): Promise<boolean> => (await group.master()) !== first;
    await waitFor(isOther, { what: 'the sentinels to agree on another', timeoutMs: 15_000 });
    const second = await group.master();
    expect(await second.call('ROLE')).toMatchObject(['master', expect.anything(), expect.anything()]);
  });
});

describe.concurrent('NATS', () => {
  beforeEach(({ skip }) => needServer('nats-server', skip));

  test('a cluster of 3 replicates a stream, and serves it while one member is down', { timeout: 30_000 }, async () => {
    await using cluster = await startNatsCluster();
    await using connection = await connect({ servers: cluster.servers.map(({ url }) => url) });
    const manager = await jetstreamManager(connection);
    await manager.streams.add({ name: 'kept', subjects: ['kept'], num_replicas: 3 });
    await manager.jetstream().publish('kept', '1');
    const { cluster: state } = await manager.streams.info('kept');
    const leader = cluster.servers.find(({ port }) => state?.leader === `testbed-${port}`)!;
    await leader.kill();
    await cluster.usable();
    await waitFor(() => manager.jetstream().publish('kept', '2'), { what: 'another leader', timeoutMs: 15_000 });
    await leader.start();
    await cluster.usable();
    expect((await manager.streams.info('kept')).state.messages).toBeGreaterThanOrEqual(2);
  });
});
