/** What any NATS client sees of a bus and can do with it, and what a server keeps when it is killed. */

import type { Transport } from '@busbar/api/transport';
import { type NatsServer, needServer, startNats } from '@busbar/testbed';
import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { connect } from '@nats-io/transport-node';
import { beforeEach, expect, test } from 'vitest';
import { openNats, parseNatsUrl } from '../src/index.ts';

beforeEach(({ skip }) => needServer('nats-server', skip));

const open = (server: NatsServer): Promise<Transport> => openNats({ ...parseNatsUrl(server.url), ns: 'team' });

interface Bare {
  readonly client: JetStreamClient;
  readonly manager: JetStreamManager;
}

/** A client that knows nothing of Busbar. */
async function bare<T>(server: NatsServer, use: (bare: Bare) => Promise<T>): Promise<T> {
  await using connection = await connect({ servers: new URL(server.url).host });
  return await use({ client: jetstream(connection), manager: await jetstreamManager(connection) });
}

test('a plain client sends to a queue and publishes events, which subscribers and bound queues get', async () => {
  await using server = await startNats();
  await using transport = await open(server);
  await transport.queues.configure('work');
  await transport.topics.bind('bound', 'news.>');
  const seen = Promise.withResolvers<string>();
  await using _subscription = await transport.topics.subscribe('news.*', {}, ([event]) =>
    seen.resolve(`${event?.topic}: ${Buffer.from(event?.body ?? []).toString()}`),
  );
  await bare(server, async ({ client }) => {
    await client.publish('busbar.team.q.normal.work', 'a task', { msgID: 'task-1' });
    await client.publish('busbar.team.t.news.today', 'an event');
  });
  expect(await seen.promise).toBe('news.today: an event');
  const [task] = await transport.queues.receive('work', { waitMs: 5_000 });
  expect({ ...task, body: Buffer.from(task?.body ?? []).toString() }).toMatchObject({
    id: 'task-1',
    body: 'a task',
    attempt: 1,
    priority: 4,
  });
  const [event] = await transport.queues.receive('bound', { waitMs: 5_000 });
  expect(Buffer.from(event?.body ?? []).toString()).toBe('an event');
  const settled = await transport.queues.settle(
    [task, event].map((each) => ({ receipt: each?.receipt ?? '', action: 'ack' })),
  );
  expect(settled.map(({ status }) => status)).toEqual(['done', 'done']);
});

test('a plain client reads bodies, events and keys, and sees queues as consumers', async () => {
  await using server = await startNats();
  await using transport = await open(server);
  await transport.queues.send('work', [{ id: 'first', body: Buffer.from('a body'), type: 'order' }]);
  await transport.topics.publish('news.today', [{ body: Buffer.from('an event') }]);
  await transport.kv.put('config/limits', Buffer.from('{"max":3}'));
  expect(await transport.queues.receive('work', { max: 1 })).toHaveLength(1);
  await bare(server, async ({ client, manager }) => {
    const message = await manager.streams.getMessage('BUSBAR_team_QUEUES', {
      last_by_subj: 'busbar.team.q.normal.work',
    });
    expect(message?.string()).toBe('a body');
    expect(JSON.parse(message?.header?.get('Busbar') ?? '')).toMatchObject({ id: 'first', type: 'order' });
    const event = await manager.streams.getMessage('BUSBAR_team_TOPICS', { last_by_subj: 'busbar.team.t.news.today' });
    expect(event?.string()).toBe('an event');
    const bucket = await new Kvm(client).open('BUSBAR_team');
    expect((await bucket.get('v.config.limits'))?.string()).toBe('{"max":3}');
    const [consumer] = await manager.consumers.list('BUSBAR_team_QUEUES').next();
    expect(consumer?.config.metadata).toMatchObject({ queue: 'work', lane: 'normal' });
    expect(consumer).toMatchObject({ num_pending: 0, num_ack_pending: 1 });
  });
});

test('storage does not grow with how often a key is written', async () => {
  await using server = await startNats();
  await using transport = await open(server);
  const value = new Uint8Array(1_000);
  for (let round = 0; round < 20; round += 1) {
    await Promise.all(Array.from({ length: 500 }, (_, key) => transport.kv.put(`key-${key}`, value)));
  }
  const messages = await bare(
    server,
    async ({ manager }) => (await manager.streams.info('KV_BUSBAR_team')).state.messages,
  );
  // One more holds the difference between revisions and sequences.
  expect(messages).toBe(500 + 1);
});

test('a server killed under load loses no acknowledged send, and doubles none', async () => {
  await using server = await startNats();
  await using transport = await open(server);
  const acknowledged: string[] = [];
  let isOver = false;
  const send = async (sender: number): Promise<void> => {
    for (let number = 0; !isOver; number += 1) {
      const id = `${sender}-${number}`;
      const [result] = await transport.queues.send('work', [{ id, body: Buffer.from(id) }]);
      expect(result?.status).toBe('stored');
      acknowledged.push(id);
    }
  };
  const senders = Promise.all(Array.from({ length: 20 }, (_, sender) => send(sender)));
  for (const least of [200, 400, 600]) {
    await expect.poll(() => acknowledged.length, { timeout: 20_000 }).toBeGreaterThan(least);
    await server.kill();
    await server.start();
  }
  isOver = true;
  await senders;
  const found: string[] = [];
  while (found.length < acknowledged.length) {
    const deliveries = await transport.queues.receive('work', { max: 100, waitMs: 2_000 });
    if (deliveries.length === 0) break;
    found.push(...deliveries.map(({ id }) => id));
    await transport.queues.settle(deliveries.map(({ receipt }) => ({ receipt, action: 'ack' })));
  }
  expect(found.toSorted()).toEqual(acknowledged.toSorted());
  expect(await transport.queues.receive('work', { waitMs: 50 })).toEqual([]);
}, 60_000);
