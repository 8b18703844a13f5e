// Snapshots: several clients write them, one may be held up in the middle of it, and others open all the while.
import { randomBytes } from 'node:crypto';
import type { Transport } from '@busbar/api/transport';
import { type NatsServer, needServer, startNats } from '@busbar/testbed';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { beforeEach, expect, test } from 'vitest';
import { openNats, parseNatsUrl } from '../src/index.ts';

beforeEach(({ skip }) => needServer('nats-server', skip));

const BATCH = 100;
const open = (server: NatsServer): Promise<Transport> => openNats({ ...parseNatsUrl(server.url), ns: 'team' });
const ready = async (transport: Transport): Promise<number | undefined> => (await transport.admin.queues())[0]?.ready;

async function fill(transport: Transport, batches: number): Promise<void> {
  for (let batch = 0; batch < batches; batch += 1) {
    await transport.queues.send(
      'work',
      Array.from({ length: BATCH }, () => ({ body: randomBytes(1_000) })),
    );
  }
}

async function empty(transport: Transport): Promise<number> {
  let count = 0;
  for (;;) {
    const deliveries = await transport.queues.receive('work', { max: 100 });
    if (deliveries.length === 0) return count;
    await transport.queues.settle(deliveries.map(({ receipt }) => ({ receipt, action: 'ack' })));
    count += deliveries.length;
  }
}

async function bytesOf(server: NatsServer): Promise<number> {
  await using connection = await connect({ servers: new URL(server.url).host });
  const { state } = await (await jetstreamManager(connection)).streams.info('BUSBAR_team');
  return state.bytes;
}

test('with two clients that fill a queue, whoever opens meanwhile and afterwards has each message once', async () => {
  await using server = await startNats();
  await using one = await open(server);
  await using other = await open(server);
  let isFilling = true;
  const opening = (async () => {
    while (isFilling) await (await open(server)).close();
  })();
  await Promise.all([fill(one, 100), fill(other, 100)]);
  isFilling = false;
  await opening;
  await using later = await open(server);
  expect(await ready(later)).toBe(200 * BATCH);
  expect(await empty(later)).toBe(200 * BATCH);
});

test('storage does not grow with what was sent and acknowledged', async () => {
  await using server = await startNats();
  await using transport = await open(server);
  for (let round = 0; round < 3; round += 1) {
    await fill(transport, 100);
    expect(await empty(transport)).toBe(100 * BATCH);
  }
  await expect.poll(() => bytesOf(server), { timeout: 10_000 }).toBeLessThan(20_000_000);
});

test('a namespace that was cleared takes next to nothing, events included', async () => {
  await using server = await startNats();
  await using transport = await open(server);
  await fill(transport, 10);
  await transport.topics.publish('news', [{ body: randomBytes(100_000) }]);
  expect(await bytesOf(server)).toBeGreaterThan(1_000_000);
  await transport.admin.clear();
  expect(await bytesOf(server)).toBeLessThan(2_000);
});

test('pieces of a snapshot that is never finished are in no other', { timeout: 60_000 }, async () => {
  await using server = await startNats();
  await using one = await open(server);
  await using stranger = await connect({ servers: new URL(server.url).host });
  const manager = await jetstreamManager(stranger);
  const mark = { last_by_subj: 'busbar.team.mark' };
  const isMarked = async (): Promise<boolean> =>
    (await manager.streams.getMessage('BUSBAR_team', mark).catch(() => null)) !== null;
  let batches = 0;
  for (; !(await isMarked()); batches += 1) {
    await stranger.request('busbar.team.piece', '{"v":1,"parts":[{"part":"revision","revision":777}]}\n');
    await fill(one, 1);
  }
  await using later = await open(server);
  expect(await ready(later)).toBe(batches * BATCH);
  expect(await later.kv.put('key', Buffer.from('x'))).toMatchObject({ revision: 1 });
});
