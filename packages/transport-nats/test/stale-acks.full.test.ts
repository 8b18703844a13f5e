/** Acks of leases that have ended: they take no message from its next holder. */

import type { Delivery, Transport } from '@busbar/api/transport';
import { type NatsServer, needServer, startNats } from '@busbar/testbed';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { beforeEach, expect, test } from 'vitest';
import { openNats, parseNatsUrl } from '../src/index.ts';
import { compactorOf } from './compactor.ts';

const LEASE_MS = 1_000;

beforeEach(({ skip }) => needServer('nats-server', skip));

test.concurrent('an ack that a slow network delivers after the lease is lease-lost, and the message survives its next holder', async () => {
  await using server = await startNats({ proxy: true });
  await using slow = await openNats(parseNatsUrl(server.url));
  const direct = parseNatsUrl(`nats://127.0.0.1:${server.port}`);
  const next = await openNats(direct);
  await using last = await openNats(direct);
  await next.queues.configure('work', { leaseMs: LEASE_MS });
  await next.queues.send('work', [{ id: 'one', body: Buffer.from('one') }]);
  const first = await receiveOne(slow);
  const until = performance.now() + first.leaseLeftMs;
  const second = receiveOne(next);
  await expect.poll(() => performance.now() > until - 100, { timeout: LEASE_MS, interval: 5 }).toBe(true);
  server.network.delay(800);
  const late = slow.queues.settle([{ receipt: first.receipt, action: 'ack' }], { timeoutMs: 10_000 });
  expect((await second).attempt).toBe(2);
  expect((await late)[0]?.status).toBe('lease-lost');
  await next.close({ leases: 'keep' });
  expect(await receiveOne(last)).toMatchObject({ id: 'one', attempt: 3 });
  server.network.heal();
}, 30_000);

test.concurrent('a message that a stale ack took from the consumer comes again, and is compacted only then', async () => {
  await using server = await startNats();
  const next = await openNats(parseNatsUrl(server.url));
  await next.queues.configure('work', { leaseMs: LEASE_MS });
  await next.queues.send('work', [{ id: 'one', body: Buffer.from('one') }]);
  await receiveOne(next);
  const second = await receiveOne(next);
  expect(second.attempt).toBe(2);
  await ackBehind(server, second);
  await using compactor = await compactorOf(server.url);
  expect(await compactor.compact('work')).toBe(true);
  await next.close({ leases: 'keep' });
  await using last = await openNats(parseNatsUrl(server.url));
  expect(await last.queues.receive('work', { waitMs: 1.5 * LEASE_MS })).toEqual([]);
  expect(await last.admin.queues()).toMatchObject([{ ready: 1, leased: 0, totals: { sent: 1, done: 0 } }]);
  // A queue is compacted at most every 8 seconds.
  const coming = receiveOne(last);
  await expect
    .poll(() => compactor.compact('work').then(() => last.admin.queues()), { timeout: 20_000 })
    .toMatchObject([{ leased: 1 }]);
  const third = await coming;
  expect(third).toMatchObject({ id: 'one', attempt: 3 });
  const { messages } = await last.admin.browse('work');
  expect(messages[0]?.history).toMatchObject([{ outcome: 'expired' }, { outcome: 'expired' }]);
  expect(await last.queues.settle([{ receipt: third.receipt, action: 'ack' }])).toMatchObject([{ status: 'done' }]);
  expect(await last.admin.queues()).toMatchObject([{ ready: 0, leased: 0, totals: { sent: 1, done: 1 } }]);
}, 30_000);

async function receiveOne(transport: Transport): Promise<Delivery> {
  const [delivery] = await transport.queues.receive('work', { waitMs: 20_000 });
  return delivery as Delivery;
}

/** The ack of a process that stood still between its look at the clock and the ack: the ledger has no record of it. */
async function ackBehind(server: NatsServer, { receipt }: Delivery): Promise<void> {
  const [, , seq, cseq] = receipt.split('.');
  await using connection = await connect({ servers: `127.0.0.1:${server.port}` });
  const [consumer] = await (await jetstreamManager(connection)).consumers.list('BUSBAR_QUEUES').next();
  await connection.request(`$JS.ACK.BUSBAR_QUEUES.${consumer?.name}.1.${seq}.${cseq}.0.0`, '+ACK');
}
