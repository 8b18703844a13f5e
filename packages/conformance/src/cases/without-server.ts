/** Backpressure and lifecycle: clients of a server that does not respond. */

import { AsyncLocalStorage } from 'node:async_hooks';
import type { Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import { checkLeaks } from '../context/leak-check.ts';
import type { TestContext } from '../context/test-context.ts';
import { within } from '../context/until.ts';
import { SendHistory } from '../faults/send-history.ts';

const CLOSE_MS = 8_000;
const KIB_64 = Buffer.alloc(65_536, 'x');

const shared = { group: 'Backpressure', harnessFeatures: ['server'], timeoutMs: 60_000 } as const;

export const cases: readonly ConformanceCase[] = defineCases(shared, [
  {
    id: 'B5',
    title: 'a frozen server acknowledges nothing: senders wait, or get an error in time',
    rules: ['RA2', 'RD2', 'RQ10'],
    async run(test, transport) {
      const history = new SendHistory(test);
      await history.send(transport, 'work', ['before']);
      test.server.pause();
      const began = performance.now();
      const ids = Array.from({ length: 200 }, (_, index) => `slow-${index}`);
      await Promise.all(ids.map((id) => history.send(transport, 'work', [id], { timeoutMs: 1_000, body: KIB_64 })));
      test.check.between(performance.now() - began, 0, 8_000, 'milliseconds until 200 sends of 1,000 ms ended');
      test.check.equal([...history.acknowledged], ['before'], 'acknowledged while the server was frozen');
      test.server.resume();
      await history.send(transport, 'work', ['after'], { timeoutMs: 20_000 });
      test.check.ok(history.acknowledged.has('after'), 'senders go on');
      const delivered = new Set<string>();
      await test.until(
        'all stored messages',
        async () => {
          const got = await transport.queues.receive('work', { max: 100, waitMs: 500 });
          for (const { id } of got) delivered.add(id);
          await test.ack(transport, got);
          return got.length === 0;
        },
        20_000,
      );
      history.verify(delivered);
    },
  },
  {
    id: 'F12',
    group: 'Lifecycle',
    title: 'closing while the server is down or frozen ends all waits in time and leaves nothing behind',
    rules: ['RA3'],
    load: 'timed',
    async run(test) {
      // A close waits for a silent server as long as it may, so each fault has a server of its own.
      const [downed, frozen, cutOff] = [test, await test.another(), await test.another()];
      // A started server is not a leak of the client.
      const start = AsyncLocalStorage.bind(() => downed.server.start());
      await checkLeaks(
        async () => {
          await Promise.all([
            closeDuring(downed, 'kill', () => downed.server.kill()),
            closeDuring(frozen, 'pause', () => frozen.server.pause()),
            closeDuring(cutOff, 'halfOpen', () => cutOff.server.network.halfOpen()),
          ]);
          await start();
          frozen.server.resume();
          cutOff.server.network.heal();
          await Promise.all([downed, frozen, cutOff].map((context) => context.closeAll()));
        },
        async (leftovers) => {
          const deadline = performance.now() + 3_000;
          await test.until('the end', () => leftovers().length === 0 || performance.now() > deadline);
          test.check.equal(leftovers(), [], 'leaked resources');
        },
      );
    },
  },
]);

/** Closes a client in the middle of work, after `strike`. */
async function closeDuring(test: TestContext, fault: string, strike: () => unknown): Promise<void> {
  const transport = await test.open();
  const waits = await occupy(test, transport);
  await strike();
  await within(CLOSE_MS, `close did not end within ${CLOSE_MS} ms after ${fault}`, transport.close());
  await within(1_000, `a wait outlived the close after ${fault}`, Promise.all(waits));
}

/** Makes a client hold a lease and wait in every way. Resolves with its pending waits, which never reject. */
async function occupy(test: TestContext, transport: Transport): Promise<Promise<unknown>[]> {
  const { queues, topics, kv } = transport;
  await test.send(transport, 'held', test.messages(1));
  await test.receive(transport, 'held', 1);
  const subscription = await topics.subscribe('news.>', {}, () => undefined);
  const watch = await kv.watch('watched/', () => undefined);
  const receive = queues.receive('inbox', { waitMs: Number.POSITIVE_INFINITY });
  return [test.check.rejects(receive, ['CLOSED', 'UNAVAILABLE'], 'a wait'), subscription.ended, watch.ended];
}
