/** A receive on a single server does not wait for the reply to its record: the connection is lost just then. */

import type { Delivery, Transport } from '@busbar/api/transport';
import { needServer, startNats } from '@busbar/testbed';
import { beforeEach, expect, test } from 'vitest';
import { openNats, parseNatsUrl } from '../src/index.ts';

beforeEach(({ skip }) => needServer('nats-server', skip));

test.concurrent('a record that the connection lost is sent again, and the settlement counts', async () => {
  await using server = await startNats({ proxy: true });
  await using transport = await openNats(parseNatsUrl(server.url));
  await using other = await openNats(parseNatsUrl(`nats://127.0.0.1:${server.port}`));
  await transport.queues.send('work', [{ id: 'one', body: Buffer.from('one') }]);
  const delivery = await receiveOne(transport);
  server.network.cut();
  server.network.heal();
  const settled = await transport.queues.settle([{ receipt: delivery.receipt, action: 'ack' }], { timeoutMs: 20_000 });
  expect(settled[0]?.status).toBe('done');
  expect(await other.admin.queues()).toMatchObject([{ ready: 0, leased: 0, totals: { sent: 1, done: 1 } }]);
});

test.concurrent('a record that comes after the lease gives none: the message is that of its next holder', async () => {
  await using server = await startNats({ proxy: true });
  await using slow = await openNats(parseNatsUrl(server.url));
  await using next = await openNats(parseNatsUrl(`nats://127.0.0.1:${server.port}`));
  await next.queues.configure('work', { leaseMs: 1_000 });
  await next.queues.send('work', [{ id: 'one', body: Buffer.from('one') }]);
  const first = await receiveOne(slow);
  server.network.halfOpen('toTarget');
  const late = slow.queues.settle([{ receipt: first.receipt, action: 'ack' }], { timeoutMs: 20_000 });
  const second = await receiveOne(next);
  server.network.heal();
  expect((await late)[0]?.status).toBe('lease-lost');
  expect(await next.queues.settle([{ receipt: second.receipt, action: 'ack' }])).toMatchObject([{ status: 'done' }]);
  expect(await next.admin.queues()).toMatchObject([{ ready: 0, leased: 0, totals: { sent: 1, done: 1 } }]);
});

test.concurrent('a client sees the lease of another one, and settles it, as soon as it has the receipt', async () => {
  await using server = await startNats();
  await using one = await openNats(parseNatsUrl(server.url));
  await using other = await openNats(parseNatsUrl(server.url));
  for (let round = 1; round <= 20; round += 1) {
    await one.queues.send('work', [{ body: Buffer.from('x') }]);
    const { receipt } = await receiveOne(one);
    const [settled] = await other.queues.settle([{ receipt, action: round % 2 === 0 ? 'ack' : 'reject' }]);
    expect(settled?.status).toBe('done');
  }
  await one.queues.send('work', [{ body: Buffer.from('x') }]);
  await receiveOne(one);
  expect(await other.admin.queues()).toMatchObject([{ ready: 0, leased: 1, dead: 10, totals: { sent: 21, done: 10 } }]);
});

async function receiveOne({ queues }: Transport): Promise<Delivery> {
  const [delivery] = await queues.receive('work', { waitMs: 20_000 });
  return delivery as Delivery;
}
