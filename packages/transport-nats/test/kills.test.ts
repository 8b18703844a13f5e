/** Kills of servers under load: what was acknowledged is delivered, and what was settled stays settled. */

import type { Capabilities } from '@busbar/api/transport';
import { needServer, startNats, startNatsCluster } from '@busbar/testbed';
import { beforeEach, expect, test } from 'vitest';
import { openNats, parseNatsUrl } from '../src/index.ts';
import { type Handling, Load } from './load.ts';

const IS_FULL = process.env['BUSBAR_FULL'] === '1';
const EMPTY = { ready: 0, leased: 0, delayed: 0, dead: 0 };

beforeEach(({ skip }) => needServer('nats-server', skip));

test('kill -9 of the server under load loses nothing that was acknowledged, and undoes no settlement', async () => {
  const kills = IS_FULL ? 100 : 5;
  await using server = await startNats();
  const options = parseNatsUrl(server.url);
  await using one = await openNats(options);
  await using other = await openNats(options);
  using load = await Load.start([one, other], 1_000);
  for (let kill = 1; kill <= kills; kill += 1) {
    await load.proceeds(200, 30_000);
    await server.kill();
    await server.start();
  }
  await load.drained();
  // Clients that lived before the crash ask the ledger: they undo not even what `settleLossMs` allows.
  expect(load.repeated).toEqual([]);
  expect(await one.admin.queues()).toMatchObject([EMPTY]);
}, 600_000);

test.runIf(IS_FULL)(
  'a cluster under load survives kills of leaders, followers and of two of three',
  async () => {
    await using cluster = await startNatsCluster();
    const servers = cluster.servers.map(({ port }) => `127.0.0.1:${port}`);
    const options = { servers, ns: 'team', replicas: 3 };
    await using one = await openNats(options);
    await using other = await openNats({ ...options, servers: servers.toReversed() });
    using load = await Load.start([one, other], 3_000);
    const kills: Kill[] = [];
    for (let kill = 1; kill <= 20; kill += 1) {
      await load.proceeds(200, 60_000);
      // One after the other, so that leaders and followers are met; now and then two at once.
      const victims = [kill % 3, ...(kill % 5 === 0 ? [(kill + 1) % 3] : [])].flatMap((n) => cluster.servers[n] ?? []);
      const at = performance.now();
      await Promise.all(victims.map((victim) => victim.kill()));
      kills.push({ at, goneAt: performance.now() });
      await Promise.all(victims.map((victim) => victim.start()));
      await cluster.usable();
    }
    await load.drained();
    const undeclared = load.repeated.filter(([, handlings]) => !isDeclared(handlings, kills, one.capabilities));
    expect(undeclared).toEqual([]);
    expect(await one.admin.queues()).toMatchObject([EMPTY]);
  },
  600_000,
);

/** A kill, from its signal to the end of the server. */
interface Kill {
  readonly at: number;
  readonly goneAt: number;
}

/** A crash may undo what was received or settled just before it. Each further delivery must follow such a crash. */
function isDeclared(handlings: readonly Handling[], kills: readonly Kill[], declared: Capabilities): boolean {
  const { attemptLossMs, settleLossMs } = declared;
  const [first, ...later] = handlings.toSorted((one, next) => one.receivedAt - next.receivedAt);
  let before = first;
  return later.every((next) => {
    const { receivedAt = 0, settlingAt = 0, settledAt = 0 } = before ?? {};
    before = next;
    return kills.some(({ at, goneAt }) => {
      const isReceiptLost = receivedAt < goneAt && receivedAt > at - attemptLossMs;
      const isSettlementLost = settlingAt < goneAt && settledAt > at - settleLossMs;
      return next.receivedAt > at && (isReceiptLost || isSettlementLost);
    });
  });
}
