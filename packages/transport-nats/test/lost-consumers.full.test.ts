/** The consumer of a busy mailbox has one replica: its server goes, for good or for a while, and the mailbox lives on. */

import type { Delivery, Transport } from '@busbar/api/transport';
import { type NatsCluster, type NatsServer, needServer, startNatsCluster } from '@busbar/testbed';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { beforeEach, expect, test, vi } from 'vitest';
import { openNats } from '../src/index.ts';

const MAILBOX = '$inbox.agent';
const STREAM = 'BUSBAR_team_QUEUES';
/** So many messages at once that the mailbox gets a consumer. */
const BURST = 50;
/** A wait ends after at most 30 seconds, or after 5 more in silence. Another consumer takes the place after 10 to 15. */
const BOUND_MS = 60_000;

beforeEach(({ skip }) => needServer('nats-server', skip));

test.concurrent('a consumer whose server never returns is replaced: all that is open comes once, nothing that is settled', async () => {
  await using cluster = await startNatsCluster();
  const { victim, options } = await makeMailbox(cluster);
  await using holder = await openNats(options);
  await using waiter = await openNats(options);
  await holder.queues.send(
    MAILBOX,
    Array.from({ length: 30 }, (_, number) => toMessage(`m${number}`)),
  );
  const held = await holder.queues.receive(MAILBOX, { max: 20, consumer: 'holder' });
  await settle(holder, held.slice(0, 10), 'ack');
  await settle(holder, held.slice(10, 11), 'retry');
  await settle(holder, held.slice(11, 12), 'reject');
  await victim.kill();
  // Settled after the loss: the consumer never hears of it, the ledger does.
  await settle(holder, held.slice(12, 15), 'ack');
  const got = await receiveAll(waiter, 16);
  expect(got.map(({ id }) => id).toSorted()).toEqual(
    [10, ...Array.from({ length: 15 }, (_, index) => index + 15)].map((number) => `m${number}`).toSorted(),
  );
  const attempts = new Map(got.map(({ id, attempt }) => [id, attempt]));
  expect([attempts.get('m10'), attempts.get('m15'), attempts.get('m20')]).toEqual([2, 2, 1]);
  await victim.start();
  await cluster.usable();
  await holder.queues.send(MAILBOX, [toMessage('last')]);
  expect((await receiveAll(waiter, 1)).map(({ id }) => id)).toEqual(['last']);
  expect(await waiter.queues.receive(MAILBOX, { waitMs: 1_000 })).toEqual([]);
  const [info] = await waiter.admin.queues();
  expect(info).toMatchObject({ ready: 0, leased: 0, dead: 1, totals: { sent: BURST + 31, done: BURST + 30, dead: 1 } });
  expect(await consumersOf(options.servers)).toHaveLength(1);
}, 180_000);

test.concurrent('a wait goes on when the server of the consumer was away, though its own connection stayed', async () => {
  await using cluster = await startNatsCluster();
  const { victim, options } = await makeMailbox(cluster);
  await using waiter = await openNats(options);
  await using sender = await openNats(options);
  const waiting = waiter.queues.receive(MAILBOX, { waitMs: 2 * BOUND_MS });
  await vi.waitFor(async () => expect((await consumersOf(options.servers))[0]?.num_waiting).toBe(1), {
    timeout: 1_000,
  });
  await victim.kill();
  await victim.start();
  await cluster.usable();
  await sender.queues.send(MAILBOX, [toMessage('one')]);
  const sentAt = performance.now();
  const [delivery] = await waiting;
  expect(delivery?.id).toBe('one');
  expect(performance.now() - sentAt).toBeLessThan(BOUND_MS);
}, 180_000);

/** Makes a mailbox with its consumer. Its server is the victim; clients are to connect to the others. */
async function makeMailbox(
  cluster: NatsCluster,
): Promise<{ victim: NatsServer; options: { servers: string[]; ns: string; replicas: number } }> {
  const servers = cluster.servers.map(({ port }) => `127.0.0.1:${port}`);
  await using transport = await openNats({ servers, ns: 'team', replicas: 3 });
  await transport.queues.configure(MAILBOX, { leaseMs: 8_000 });
  await transport.queues.send(
    MAILBOX,
    Array.from({ length: BURST }, (_, number) => toMessage(`early${number}`)),
  );
  await receiveAll(transport, BURST);
  const [consumer] = await consumersOf(servers);
  expect(consumer?.config.num_replicas).toBe(1);
  const victim = cluster.servers.find(({ port }) => consumer?.cluster?.leader === `testbed-${port}`) as NatsServer;
  const others = cluster.servers.filter((server) => server !== victim).map(({ port }) => `127.0.0.1:${port}`);
  return { victim, options: { servers: others, ns: 'team', replicas: 3 } };
}

async function consumersOf(servers: string[]) {
  await using connection = await connect({ servers });
  return await (await jetstreamManager(connection)).consumers.list(STREAM).next();
}

function toMessage(id: string): { id: string; body: Uint8Array } {
  return { id, body: Buffer.from(id) };
}

async function settle(transport: Transport, deliveries: readonly Delivery[], action: 'ack' | 'retry' | 'reject') {
  const settled = await transport.queues.settle(deliveries.map(({ receipt }) => ({ receipt, action })));
  expect(settled.map(({ status }) => status)).toEqual(deliveries.map(() => 'done'));
}

/** Receives and acks `count` messages. */
async function receiveAll(transport: Transport, count: number): Promise<Delivery[]> {
  const all: Delivery[] = [];
  const until = performance.now() + BOUND_MS;
  while (all.length < count && performance.now() < until) {
    const got = await transport.queues.receive(MAILBOX, { max: 100, waitMs: 5_000 });
    await settle(transport, got, 'ack');
    all.push(...got);
  }
  return all;
}
