/** Kills of servers under load: what was acknowledged is delivered, and what was handled stays handled. */

import type { Delivery, Transport } from '@busbar/api/transport';
import { type NatsCluster, needServer, startNats, startNatsCluster } from '@busbar/testbed';
import { beforeEach, expect, test } from 'vitest';
import { openNats, parseNatsUrl } from '../src/index.ts';

const KILLS = 20;
const IS_FULL = process.env['BUSBAR_FULL'] === '1';

beforeEach(({ skip }) => needServer('nats-server', skip));

/** Producers and consumers that work until they are stopped, and what they saw. */
class Load implements Disposable {
  readonly acknowledged = new Set<string>();
  readonly handled = new Map<string, number>();
  readonly #work: Promise<unknown>;
  #isSending = true;
  #isOver = false;

  constructor(transports: readonly Transport[]) {
    const roles = transports.flatMap((transport, client) => [
      ...Array.from({ length: 8 }, (_, lane) => this.#send(transport, `${client}-${lane}`)),
      ...Array.from({ length: 4 }, () => this.#consume(transport)),
    ]);
    this.#work = Promise.all(roles);
  }

  /** Ends the sends, and resolves once everything acknowledged is handled, or nothing has come for a while. */
  async drained(): Promise<void> {
    this.#isSending = false;
    const missing = (): number => [...this.acknowledged].filter((id) => !this.handled.has(id)).length;
    await expect.poll(missing, { timeout: 60_000, interval: 200 }).toBe(0);
    this.#isOver = true;
    await this.#work;
  }

  async #send(transport: Transport, sender: string): Promise<void> {
    for (let number = 0; this.#isSending; number += 1) {
      const ids = Array.from({ length: 10 }, (_, index) => `${sender}-${number}-${index}`);
      const results = await transport.queues
        .send(
          'work',
          ids.map((id) => ({ id, body: Buffer.from(id) })),
          { timeoutMs: 60_000 },
        )
        .catch(() => []);
      for (const { id, status } of results) if (status === 'stored') this.acknowledged.add(id);
    }
  }

  async #consume(transport: Transport): Promise<void> {
    while (!this.#isOver) {
      const deliveries: Delivery[] = await transport.queues.receive('work', { max: 50, waitMs: 500 }).catch(() => []);
      const settled = await transport.queues
        .settle(deliveries.map(({ receipt }) => ({ receipt, action: 'ack' as const })))
        .catch(() => []);
      for (const [index, { status }] of settled.entries()) {
        const id = deliveries[index]?.id ?? '';
        if (status === 'done') this.handled.set(id, (this.handled.get(id) ?? 0) + 1);
      }
    }
  }

  [Symbol.dispose](): void {
    this.#isSending = false;
    this.#isOver = true;
  }
}

test('kill -9 of the server under load loses nothing that was acknowledged, and undoes no settlement', async () => {
  const kills = IS_FULL ? 100 : 5;
  await using server = await startNats();
  const options = parseNatsUrl(server.url);
  await using one = await openNats(options);
  await using other = await openNats(options);
  await one.queues.configure('work', { leaseMs: 2_000 });
  using load = new Load([one, other]);
  for (let kill = 1; kill <= kills; kill += 1) {
    const before = load.handled.size;
    await expect.poll(() => load.handled.size, { timeout: 30_000 }).toBeGreaterThan(before + 200);
    await server.kill();
    await server.start();
  }
  await load.drained();
  const twice = [...load.handled.values()].filter((count) => count > 1).length;
  // What the transport declares: settlements of the last second before a crash may be undone.
  expect(twice).toBeLessThan(load.handled.size / 100);
  const [info] = await one.admin.queues();
  expect(info).toMatchObject({ ready: 0, leased: 0, delayed: 0, dead: 0 });
}, 600_000);

test.runIf(IS_FULL)(
  'a cluster under load survives kills of leaders, followers and of two of three',
  async () => {
    await using cluster = await startNatsCluster();
    const servers = cluster.servers.map(({ port }) => `127.0.0.1:${port}`);
    const options = { servers, ns: 'team', replicas: 3 };
    await using one = await openNats(options);
    await using other = await openNats({ ...options, servers: servers.toReversed() });
    await one.queues.configure('work', { leaseMs: 3_000 });
    using load = new Load([one, other]);
    for (let kill = 1; kill <= KILLS; kill += 1) {
      const before = load.handled.size;
      await expect.poll(() => load.handled.size, { timeout: 60_000 }).toBeGreaterThan(before + 200);
      const victims = victimsOf(cluster, kill);
      await Promise.all(victims.map((victim) => victim.kill()));
      await Promise.all(victims.map((victim) => victim.start()));
      await cluster.usable();
    }
    await load.drained();
    const [info] = await one.admin.queues();
    expect(info).toMatchObject({ ready: 0, leased: 0, delayed: 0, dead: 0 });
  },
  600_000,
);

/** One after the other, so that leaders and followers are met; now and then two at once. */
function victimsOf({ servers }: NatsCluster, kill: number): NatsCluster['servers'] {
  const first = servers[kill % 3];
  const second = servers[(kill + 1) % 3];
  return [...(first ? [first] : []), ...(kill % 5 === 0 && second ? [second] : [])];
}
