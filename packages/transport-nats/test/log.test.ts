// What the log withstands: a gap in what a client hears of it, strangers who write into it, and what is as large as can be.

import type { Transport } from '@busbar/api/transport';
import { type NatsServer, needServer, startNats } from '@busbar/testbed';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { beforeEach, expect, test } from 'vitest';
import { openNats, parseNatsUrl } from '../src/index.ts';

beforeEach(({ skip }) => needServer('nats-server', skip));

const open = (server: NatsServer, ns = 'team'): Promise<Transport> => openNats({ ...parseNatsUrl(server.url), ns });
const ready = async (transport: Transport): Promise<number | undefined> => (await transport.admin.queues())[0]?.ready;
const some = (count: number): { body: Uint8Array }[] =>
  Array.from({ length: count }, () => ({ body: Buffer.from('x') }));

test('after a gap every client has all that was acknowledged, its own as well', async () => {
  await using server = await startNats();
  await using one = await open(server);
  await using other = await open(server);
  await one.queues.send('work', some(10));
  await other.queues.send('work', some(5));
  expect(await ready(one)).toBe(15);
  await using stranger = await connect({ servers: new URL(server.url).host });
  const manager = await jetstreamManager(stranger);
  const followers = await manager.consumers.list('BUSBAR_team').next();
  expect(followers).toHaveLength(2);
  // A record that is not the next one.
  for (const { config } of followers)
    stranger.publish(config.deliver_subject ?? '', '', { reply: 'a.b.c.d.1.99.99.0.0' });
  await stranger.flush();
  const names = new Set(followers.map(({ name }) => name));
  await expect
    .poll(
      async () => (await manager.consumers.list('BUSBAR_team').next()).filter(({ name }) => !names.has(name)).length,
    )
    .toBe(2);
  for (const client of [one, other]) {
    await client.queues.send('work', some(1));
  }
  expect([await ready(one), await ready(other)]).toEqual([17, 17]);
});

test.for(['log', 'events', 'piece'])('what a stranger writes to the subject %s is passed over', async (subject) => {
  await using server = await startNats();
  await using transport = await open(server);
  await using stranger = await connect({ servers: new URL(server.url).host });
  for (const data of ['', 'hello', '{}\n', '{"v":1,"by":"a","n":1,"ops":[{"op":"send"}]}\n', '[]\n', 'null\n']) {
    stranger.publish(`busbar.team.${subject}`, data);
  }
  await stranger.flush();
  await transport.queues.send('work', some(1));
  await using later = await open(server);
  expect(await ready(later)).toBe(1);
});

test('a message of any legal size can be imported', async () => {
  await using server = await startNats();
  await using from = await open(server);
  await using to = await open(server, 'other');
  const body = Buffer.alloc(from.capabilities.maxBodyBytes, 'a');
  await from.queues.send('work', [{ body }]);
  await to.admin.importState(from.admin.exportState());
  const [found] = await to.queues.receive('work');
  expect(found?.body.length).toBe(body.length);
});
