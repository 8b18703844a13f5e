/** Backpressure, reconnecting and lifecycle: clients of a server that does not respond. */

import { AsyncLocalStorage } from 'node:async_hooks';
import type { Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import { checkLeaks } from '../context/leak-check.ts';
import type { TestContext } from '../context/test-context.ts';
import { within } from '../context/until.ts';
import { SendHistory } from '../faults/send-history.ts';
import { assertBounded, assertTimedOut } from '../steps/bounded-calls.ts';
import { ROUNDING_MS } from '../steps/consuming.ts';

const CLOSE_MS = 8_000;
/** Time limit for a client to go on when its server responds again. */
const BACK_MS = 20_000;
const CALL_MS = 600;
/** A lock whose server does not respond may take 5 seconds beyond its wait, and the machine can be busy. */
const LOCK_MS = 8_000;
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
    id: 'B11',
    title:
      'the health of a bus is not ok within the bound of the call while its server is frozen or down, and ok again',
    rules: ['RA1', 'RA2'],
    async run(test) {
      const bus = await test.bus();
      test.check.equal((await bus.health()).ok, true, 'whether it is ok before');
      test.server.pause();
      for (const timeoutMs of [200, 1_000]) {
        await assertTimedOut(test, 'the health', timeoutMs, async () => {
          const { ok, error } = await bus.health({ timeoutMs });
          test.check.equal(ok, false, 'whether it is ok with a frozen server');
          throw error;
        });
      }
      test.server.resume();
      await test.until('it is ok again', async () => (await bus.health()).ok, BACK_MS);
      await test.server.kill();
      await test.until('it is not ok without a server', async () => !(await bus.health({ timeoutMs: 500 })).ok);
      await test.until('the state', async () => (await bus.health({ timeoutMs: 500 })).state === 'reconnecting');
      await test.server.start();
      await test.until('it is ok with the server', async () => (await bus.health({ timeoutMs: 500 })).ok, BACK_MS);
    },
  },
  {
    id: 'B12',
    title: 'with a frozen server each call without a time-out ends after `callTimeoutMs`, and others after their own',
    rules: ['RA1', 'RA2'],
    harnessFeatures: ['server', 'options'],
    async run(test) {
      const transport = await test.openWith({ callTimeoutMs: CALL_MS });
      const { queues, topics, kv, admin } = transport;
      await test.send(transport, 'work', test.messages(1));
      const [{ receipt } = { receipt: '' }] = await test.receive(transport, 'work', 1);
      test.server.pause();
      const messages = test.messages(1, {}, 'late');
      const calls: Readonly<Record<string, () => Promise<unknown>>> = {
        'a send': () => queues.send('work', messages),
        'a receive': () => queues.receive('work'),
        'an ack': () => queues.settle([{ receipt, action: 'ack' }]),
        'the settings': () => queues.configure('work', { maxAttempts: 3 }),
        'an event': () => topics.publish('news', messages),
        'a subscription': () => topics.subscribe('news', {}, () => undefined),
        'a key': () => kv.get('key'),
        'a put': () => kv.put('key', KIB_64),
        'a watch': () => kv.watch('key', () => undefined),
        'the queues': () => admin.queues(),
        'a page': () => admin.browse('work'),
      };
      await Promise.all([
        ...Object.entries(calls).map(([what, call]) => assertTimedOut(test, what, CALL_MS, call)),
        assertTimedOut(test, 'a shorter call', 200, () => kv.get('key', { timeoutMs: 200 })),
        assertTimedOut(test, 'a longer call', 2_000, () => kv.get('key', { timeoutMs: 2_000 })),
      ]);
      test.server.resume();
      const asks = (): Promise<boolean> =>
        kv.get('key').then(
          () => true,
          () => false,
        );
      await test.until('it goes on', asks, BACK_MS);
    },
  },
  {
    id: 'C16',
    group: 'Reconnect',
    title:
      'while the server is frozen, lists of agents fail within their bounds, locks and semaphores at most 5 s later',
    rules: ['RA2', 'RE1'],
    async run(test) {
      const bus = await test.bus();
      await bus.health();
      test.server.pause();
      await Promise.all([
        assertBounded(test, bus, ['TIMEOUT', 'UNAVAILABLE'], 500 + LOCK_MS),
        assertTimedOut(test, 'the list of agents', 500, () => bus.agents({ timeoutMs: 500 })),
        assertTimedOut(test, 'the holder of a lock', 500, () => bus.lockHolder('door', { timeoutMs: 500 })),
      ]);
      test.server.resume();
      await test.until('it is ok again', async () => (await bus.health()).ok, BACK_MS);
      await using lock = await bus.lock('door', { waitMs: BACK_MS });
      test.check.ok(!lock.lost, 'the lock after the pause');
    },
  },
  {
    id: 'C17',
    group: 'Reconnect',
    title: 'opening waits for a server that is away as long as `waitForServerMs` says, and goes on when it comes',
    rules: ['RA2', 'RA1'],
    harnessFeatures: ['server', 'options'],
    async run(test) {
      await test.closeAll();
      await test.server.kill();
      for (const waitForServerMs of [0, 700]) {
        const began = performance.now();
        await test.check.rejects(test.openWith({ waitForServerMs }), 'UNAVAILABLE', `after ${waitForServerMs} ms`);
        const tookMs = performance.now() - began;
        test.check.between(tookMs, waitForServerMs - ROUNDING_MS, waitForServerMs + 5_000, 'milliseconds');
      }
      const opening = Promise.all([1, 2, 3].map(() => test.openWith({ waitForServerMs: 60_000 })));
      opening.catch(() => undefined);
      await test.server.start();
      for (const transport of await opening) await test.send(transport, 'work', test.messages(1));
      const delivered = await test.receive(await test.transport(), 'work', 3);
      test.check.equal(delivered.length, 3, 'messages of those that waited');
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
