/** What a server sees of a bus: its consumers, its storage, what a plain client can read; and what it loses when it is killed. */

import type { Transport } from '@busbar/api/transport';
import { type NatsServer, needServer, startNats } from '@busbar/testbed';
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { beforeEach, expect, test } from 'vitest';
import { openNats, parseNatsUrl } from '../src/index.ts';

beforeEach(({ skip }) => needServer('nats-server', skip));

const open = (server: NatsServer): Promise<Transport> => openNats({ ...parseNatsUrl(server.url), ns: 'team' });

async function look<T>(server: NatsServer, at: (manager: JetStreamManager) => Promise<T>): Promise<T> {
  await using connection = await connect({ servers: new URL(server.url).host });
  return await at(await jetstreamManager(connection));
}

test('2,000 waiting receives of one process are one consumer on the server', async () => {
  await using server = await startNats();
  await using transport = await open(server);
  const names = Array.from({ length: 2_000 }, (_, number) => `inbox-${number}`);
  const waiting = names.map((name) => transport.queues.receive(name, { waitMs: 60_000 }));
  await transport.queues.configure('other');
  expect(await look(server, (manager) => manager.consumers.list('BUSBAR_team').next())).toHaveLength(1);
  await using sender = await open(server);
  await Promise.all(names.map((name) => sender.queues.send(name, [{ body: Buffer.from(name) }])));
  const received = (await Promise.all(waiting)).flat().map(({ body }) => Buffer.from(body).toString());
  expect(received).toEqual(names);
});

test('storage does not grow with how often an entry is written', async () => {
  await using server = await startNats();
  await using transport = await open(server);
  const value = new Uint8Array(1_000);
  for (let round = 0; round < 100; round += 1) {
    await Promise.all(Array.from({ length: 500 }, (_, key) => transport.kv.put(`key-${key % 50}`, value)));
  }
  const bytes = (): Promise<number> =>
    look(server, async (manager) => (await manager.streams.info('BUSBAR_team')).state.bytes);
  // 50 MB were written, 50 kB are there.
  await expect.poll(bytes, { timeout: 10_000 }).toBeLessThan(20_000_000);
});

test('a plain client can read what was sent and published', async () => {
  await using server = await startNats();
  await using transport = await open(server);
  await transport.queues.send('work', [{ id: 'first', body: Buffer.from('a body') }]);
  await transport.topics.publish('news.today', [{ body: Buffer.from('an event') }]);
  const newest = (subject: string): Promise<string | undefined> =>
    look(server, async (manager) =>
      (await manager.streams.getMessage('BUSBAR_team', { last_by_subj: `busbar.team.${subject}` }))?.string(),
    );
  const [line = '', body] = (await newest('log'))?.split('\n') ?? [];
  expect(JSON.parse(line)).toMatchObject({ ops: [{ op: 'send', queue: 'work', messages: [{ id: 'first' }] }] });
  expect(body).toBe('a body');
  const [head = '', event] = (await newest('events'))?.split('\n') ?? [];
  expect(JSON.parse(head)).toMatchObject({ ops: [{ op: 'publish', topic: 'news.today' }] });
  expect(event).toBe('an event');
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
