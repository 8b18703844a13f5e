/** Backpressure and lifecycle: clients of a server that does not reply. */

import { AsyncLocalStorage } from 'node:async_hooks';
import type { Transport } from '@busbar/api/transport';
import type { ConformanceCase } from '../case.ts';
import { lookingForLeftovers } from '../context/leak-check.ts';
import type { Lab } from '../context/test-context.ts';
import { within } from '../context/until.ts';
import { History } from '../faults/send-history.ts';

const powers = ['server'] as const;
const CLOSE_MS = 8_000;
const KIB_64 = Buffer.alloc(65_536, 'x');

export const cases: readonly ConformanceCase[] = [
  {
    id: 'B5',
    group: 'Backpressure',
    title: 'a frozen server acknowledges nothing: senders wait, or get an error in time',
    level: 'MUST',
    rules: ['RA2', 'RD2', 'RQ10'],
    powers,
    timeoutMs: 60_000,
    async run(lab) {
      const transport = await lab.transport();
      const history = new History(lab);
      await history.send(transport, 'work', ['before']);
      lab.server.pause();
      const began = performance.now();
      const ids = Array.from({ length: 200 }, (_, index) => `slow-${index}`);
      await Promise.all(ids.map((id) => history.send(transport, 'work', [id], { timeoutMs: 1_000, body: KIB_64 })));
      lab.check.between(performance.now() - began, 0, 8_000, 'milliseconds until 200 sends of 1,000 ms ended');
      lab.check.equal([...history.acknowledged], ['before'], 'acknowledged while the server stood still');
      lab.server.resume();
      await history.send(transport, 'work', ['after'], { timeoutMs: 20_000 });
      lab.check.ok(history.acknowledged.has('after'), 'senders go on');
      const delivered = new Set<string>();
      await lab.until(
        'all that was stored to come',
        async () => {
          const got = await transport.queues.receive('work', { max: 100, waitMs: 500 });
          for (const { id } of got) delivered.add(id);
          await lab.ack(transport, got);
          return got.length === 0;
        },
        20_000,
      );
      history.judge(delivered);
    },
  },
  {
    id: 'F12',
    group: 'Lifecycle',
    title: 'closing while the server is down or frozen ends all waits in time and leaves nothing behind',
    level: 'MUST',
    rules: ['RA3'],
    powers,
    // The case counts the timers of this process.
    alone: true,
    timeoutMs: 60_000,
    async run(lab) {
      const { server } = lab;
      // A started server is not a leak of the client.
      const start = AsyncLocalStorage.bind(() => server.start());
      await lookingForLeftovers(
        async () => {
          for (const fault of ['kill', 'pause', 'halfOpen'] as const) {
            const transport = await lab.open();
            const waits = await occupy(lab, transport);
            if (fault === 'kill') await server.kill();
            else if (fault === 'pause') server.pause();
            else server.wire.halfOpen();
            const late = `close did not end within ${CLOSE_MS} ms after ${fault}`;
            await within(CLOSE_MS, late, transport.close());
            await within(1_000, `a wait outlived the close after ${fault}`, Promise.all(waits));
            if (fault === 'kill') await start();
            else server.resume();
            server.wire.heal();
          }
          await lab.closeAll();
        },
        async (leftovers) => {
          const deadline = performance.now() + 3_000;
          await lab.until('the end', () => leftovers().length === 0 || performance.now() > deadline);
          lab.check.equal(leftovers(), [], 'leaked resources');
        },
      );
    },
  },
];

/** Makes a client hold a lease and wait in every way. Resolves with its pending waits, which never reject. */
async function occupy(lab: Lab, transport: Transport): Promise<Promise<unknown>[]> {
  const { queues, topics, kv } = transport;
  await lab.send(transport, 'held', lab.messages(1));
  await lab.receive(transport, 'held', 1);
  const subscription = await topics.subscribe('news.>', {}, () => undefined);
  const watch = await kv.watch('watched/', () => undefined);
  const receive = queues.receive('inbox', { waitMs: Number.POSITIVE_INFINITY });
  return [lab.check.rejects(receive, ['CLOSED', 'UNAVAILABLE'], 'a wait'), subscription.ended, watch.ended];
}
