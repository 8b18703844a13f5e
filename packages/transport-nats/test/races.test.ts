/**
 * Races that a design over JetStream can lose. The suite has most of them; these cases hold them:
 *
 * - a read of counts right after a settlement, a lease or its end: A6, A8, A23, D7, T6, T7
 * - a changed lease time while leases are held: A22, A24
 * - ids of delayed, cancelled and expired messages over a crash: U7, U8; many sends of one id: U3; on a cluster: below
 * - bindings that overlap, history beside new events: Y9, S9, S14
 * - delayed messages that are due together: L3, L9; a level that no receive waits on: Q7; three levels at once: below
 * - put, touch, delete and expiry of one key: K8; on a cluster: below
 * - a lost consumer: compaction.test.ts, lost-consumers.full.test.ts; a long lease above settled messages: compaction.test.ts
 * - a stale ack: A6, I6, I10, C9, stale-acks.full.test.ts
 * - ordering keys over retries, leases and clients: O2, O5
 * - receipts and leases of an earlier life of a queue: A5, J10
 * - two that see the end of a message: below
 * - more waits than a consumer takes by default: below
 * - crashes and lost leaders: kills.test.ts; a frozen server: C8, C9; other faults: faults.test.ts; a full store: servers.test.ts
 */

import type { Transport } from '@busbar/api/transport';
import { needServer, startNats, startNatsCluster } from '@busbar/testbed';
import { beforeEach, expect, test } from 'vitest';
import { openNats, parseNatsUrl } from '../src/index.ts';

const BODY = Buffer.from('x');

beforeEach(({ skip }) => needServer('nats-server', skip));

test('on a cluster one of many sends of an id is stored, and one of many writers of a key wins', async () => {
  await using cluster = await startNatsCluster();
  const servers = cluster.servers.map(({ port }) => `127.0.0.1:${port}`);
  const clients = await openAll(servers.map((server) => ({ servers: [server], ns: 'team', replicas: 3 })));
  await using _all = clients;
  const [first] = clients.transports;
  for (let round = 0; round < 30; round += 1) {
    const send = ({ queues }: Transport) => queues.send('work', [{ id: `m${round}`, body: BODY }]);
    const sent = (await Promise.all([...clients.transports, ...clients.transports].map(send))).flat();
    expect(sent.map(({ status }) => status).toSorted()).toEqual([...Array(5).fill('duplicate'), 'stored']);
    const put = ({ kv }: Transport) => kv.put(`key.${round}`, BODY, { ifRevision: 0 });
    const puts = await Promise.all([...clients.transports, ...clients.transports].map(put));
    expect(puts.filter(({ status }) => status === 'stored')).toHaveLength(1);
  }
  const got = await drain(first as Transport, 30);
  expect(new Set(got.map(({ id }) => id)).size).toBe(30);
  expect(got).toHaveLength(30);
}, 90_000);

test('messages of three levels that come at once wake one receive each, and count one attempt', async () => {
  await using server = await startNats();
  const options = parseNatsUrl(server.url);
  const clients = await openAll([options, options]);
  await using _all = clients;
  const [receiver, sender] = clients.transports as [Transport, Transport];
  const levels = [9, 4, 0];
  // All levels are in use before.
  await sender.queues.send(
    'work',
    levels.map((priority) => ({ body: BODY, priority })),
  );
  await drain(receiver, 3);
  for (let round = 0; round < 50; round += 1) {
    const waiting = receiver.queues.receive('work', { waitMs: 10_000 });
    await sender.queues.send(
      'work',
      levels.map((priority) => ({ id: `${round}-${priority}`, body: BODY, priority })),
    );
    const [one] = await waiting;
    await receiver.queues.settle([{ receipt: one?.receipt ?? '', action: 'ack' }]);
    const all = [one, ...(await drain(receiver, 2))];
    expect(all.map((delivery) => delivery?.id).toSorted()).toEqual([`${round}-0`, `${round}-4`, `${round}-9`]);
    expect(all.map((delivery) => delivery?.attempt)).toEqual([1, 1, 1]);
  }
}, 60_000);

test('clients that see the end of a message at once count it once', async () => {
  await using server = await startNats();
  const options = parseNatsUrl(server.url);
  const clients = await openAll([options, options, options, options]);
  await using _all = clients;
  const [first] = clients.transports as [Transport];
  await first.queues.configure('work', { leaseMs: 200, maxAttempts: 1 });
  const toMessage = (): { body: Uint8Array } => ({ body: BODY });
  await first.queues.send('work', Array.from({ length: 20 }, toMessage));
  expect(await first.queues.receive('work', { max: 20 })).toHaveLength(20);
  await first.queues.send(
    'work',
    Array.from({ length: 20 }, () => ({ ...toMessage(), ttlMs: 150 })),
  );
  const look = ({ queues, admin }: Transport) => Promise.all([queues.receive('work', { max: 50 }), admin.queues()]);
  await expect
    .poll(async () => (await Promise.all(clients.transports.map(look)))[0]?.[1], { timeout: 10_000, interval: 20 })
    .toMatchObject([{ ready: 0, leased: 0, dead: 20, totals: { sent: 40, done: 0, dead: 20, expired: 20 } }]);
  const { messages } = await first.admin.browse('work', { state: 'dead', limit: 100 });
  expect(messages).toHaveLength(20);
}, 30_000);

test('a thousand receives wait at one queue, and each gets its message', async () => {
  await using server = await startNats();
  await using transport = await openNats(parseNatsUrl(server.url));
  await transport.queues.configure('work', { leaseMs: 30_000 });
  const waiting = Array.from({ length: 1_000 }, () => transport.queues.receive('work', { waitMs: 30_000 }));
  await transport.queues.send(
    'work',
    Array.from({ length: 1_000 }, (_, number) => ({ id: `m${number}`, body: BODY })),
  );
  const got = (await Promise.all(waiting)).flat();
  expect(new Set(got.map(({ id }) => id)).size).toBe(1_000);
  expect(got.every(({ attempt }) => attempt === 1)).toBe(true);
}, 60_000);

async function openAll(
  options: readonly Parameters<typeof openNats>[0][],
): Promise<AsyncDisposable & { readonly transports: readonly Transport[] }> {
  // The first one creates the streams.
  const transports: Transport[] = [];
  for (const each of options) transports.push(await openNats(each));
  return {
    transports,
    [Symbol.asyncDispose]: async () => {
      await Promise.all(transports.map((transport) => transport.close()));
    },
  };
}

/** Receives and acks until `count` messages have come. */
async function drain({ queues }: Transport, count: number): Promise<{ id: string; attempt: number }[]> {
  const all: { id: string; attempt: number }[] = [];
  while (all.length < count) {
    const got = await queues.receive('work', { max: 100, waitMs: 10_000 });
    if (got.length === 0) return all;
    await queues.settle(got.map(({ receipt }) => ({ receipt, action: 'ack' })));
    all.push(...got.map(({ id, attempt }) => ({ id, attempt })));
  }
  return all;
}
