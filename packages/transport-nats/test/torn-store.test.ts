/** A machine that lost power: the stream of queues has lost its latest messages, and the ledger has kept what became of them. */

import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Transport } from '@busbar/api/transport';
import { needServer, startNats } from '@busbar/testbed';
import { beforeEach, expect, test } from 'vitest';
import { openNats, parseNatsUrl } from '../src/index.ts';

beforeEach(({ skip }) => needServer('nats-server', skip));

test.each([
  ['the stream of queues', 'BUSBAR_QUEUES'],
  ['its messages, not its consumers', join('BUSBAR_QUEUES', 'msgs')],
])(
  '%s lost its end: new messages are not taken for the lost ones',
  async (_, part) => {
    await using server = await startNats();
    const lost = join(server.folder, 'data', 'jetstream', '$G', 'streams', part);
    const saved = join(server.folder, 'saved');
    const client = (): Promise<Transport> => openNats(parseNatsUrl(server.url));
    for (const round of ['a', 'b']) {
      {
        await using one = await client();
        await sendAll(one, round);
        expect(await handleAll(one)).toEqual([1, 2, 3].map((n) => `${round}${n} 1`));
      }
      await server.stop();
      if (round === 'a') cpSync(lost, saved, { recursive: true });
      else {
        rmSync(lost, { recursive: true });
        cpSync(saved, lost, { recursive: true });
      }
      await server.start();
    }
    await using one = await client();
    await sendAll(one, 'c');
    const counts = async (): Promise<unknown> => (await one.admin.queues({ names: ['work'] }))[0];
    expect(await counts()).toMatchObject({ ready: 3, leased: 0, totals: { sent: 9, done: 6 } });
    const [first] = await one.queues.receive('work', { waitMs: 5_000 });
    await one.queues.settle([{ receipt: first!.receipt, action: 'retry' }]);
    await server.kill();
    await server.start();
    expect(await handleAll(one)).toEqual(['c1 2', 'c2 1', 'c3 1']);
    expect(await counts()).toMatchObject({ ready: 0, leased: 0, totals: { sent: 9, done: 9 } });
  },
  60_000,
);

async function sendAll({ queues }: Transport, prefix: string): Promise<void> {
  const body = Buffer.from('x');
  // What the server forgets of a retry comes back with its lease.
  await queues.configure('work', { leaseMs: 2_000 });
  await queues.send(
    'work',
    [1, 2, 3].map((n) => ({ id: `${prefix}${n}`, body })),
  );
}

/** The three messages that come, each with its attempt. */
async function handleAll({ queues }: Transport): Promise<string[]> {
  const found: string[] = [];
  while (found.length < 3) {
    const deliveries = await queues.receive('work', { max: 3, waitMs: 15_000 });
    if (deliveries.length === 0) break;
    await queues.settle(deliveries.map(({ receipt }) => ({ receipt, action: 'ack' })));
    found.push(...deliveries.map(({ id, attempt }) => `${id} ${attempt}`));
  }
  return found.sort();
}
