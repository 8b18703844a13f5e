/** Fault injection: failing calls, a changed wall clock, no free file descriptor. */

import { setTimeout as pause } from 'node:timers/promises';
import { BusbarError } from '@busbar/api';
import type { Queues, Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import type { RemoteClient } from '../processes/remote-client.ts';
import { moduleOf } from '../processes/remote-client.ts';
import { drainFully, idsOf, receiveOne } from '../steps/consuming.ts';
import { queueInfo } from '../steps/queue-view.ts';

const LEASE_MS = 250;
const HOUR_MS = 3_600_000;

const tasks = moduleOf('tasks');

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Fault injection' }, [
  {
    id: 'I3',
    title: 'calls that are late, fail, or lose their response cause repetitions and never lose a message',
    rules: ['RQ1', 'RQ3', 'RQ7', 'RD2'],
    smoke: true,
    async run(test, transport) {
      await transport.queues.configure('work', { leaseMs: LEASE_MS, maxAttempts: 100 });
      const shaky = withFaults(transport.queues, test.random);
      const ids = Array.from({ length: 60 }, (_, index) => `m-${index}`);
      const sending = Promise.all(
        ids.map((id) => persistently(() => shaky.send('work', [{ id, body: new Uint8Array(1) }]))),
      );
      await test.until(
        'everything is done',
        async () => {
          const got = await persistently(() => shaky.receive('work', { max: 5, waitMs: 20 }));
          test.recorder.add(got);
          if (got.length > 0)
            await shaky.settle(got.map(({ receipt }) => ({ receipt, action: 'ack' }))).catch(() => undefined);
          const { ready, leased, totals } = await queueInfo(transport, 'work');
          return totals.sent === ids.length && ready + leased === 0;
        },
        15_000,
      );
      await sending;
      test.check.equal(test.recorder.lost(ids), [], 'lost');
      test.check.equal(test.recorder.unexpected(ids), [], 'delivered, but never sent');
      test.check.equal(test.recorder.repeated(), [], 'deliveries with the attempt number of an earlier one');
      const { totals, dead } = await queueInfo(transport, 'work');
      test.check.equal([totals.sent, totals.done, dead], [ids.length, ids.length, 0], 'sent, done, dead');
    },
  },
  {
    id: 'I8',
    title: 'setting the wall clock of a process changes no delay, lease or time to live',
    rules: ['RQ6', 'RQ2'],
    harnessFeatures: ['processes'],
    // A server does not use the clock of its clients.
    notApplicable: ({ features, reach, reasons }) =>
      features.monotonicClock || reach === 'network' ? undefined : reasons.monotonicClock,
    async run(test, transport) {
      await transport.queues.configure('leased', { leaseMs: 2_000 });
      const [ahead, behind] = await Promise.all([test.process(), test.process()]);
      await Promise.all([ahead.shiftClock(HOUR_MS), behind.shiftClock(-HOUR_MS)]);
      for (const client of [ahead, behind]) await assertDelay(test, client, transport);
      await test.send(transport, 'leased', test.messages(1));
      await receiveOne(test, transport, 'leased');
      for (const client of [ahead, behind]) {
        test.check.equal(await client.receive('leased'), [], 'a message held by another client');
        await client.send('mortal', [{ id: `mortal-${client.pid}`, body: new Uint8Array(1), ttlMs: 60_000 }]);
      }
      const got = await test.receive(transport, 'mortal', 2);
      for (const { ttlLeftMs } of got) test.check.between(ttlLeftMs ?? 0, 40_000, 60_000, 'milliseconds left to live');
    },
  },
  {
    id: 'I9',
    title: 'without free file descriptors calls succeed or fail with an error, and acknowledged messages are kept',
    rules: ['RD1', 'RD2', 'RA1'],
    harnessFeatures: ['processes'],
    async run(test) {
      const client = await test.process({ maxFiles: 100 });
      const starved = await client.run<StarvedWork>(tasks, 'sendWithoutFiles', 'work');
      test.check.ok(starved.opened > 0, 'no descriptor was free before');
      test.check.equal(starved.strange, [], 'errors that are not a BusbarError');
      const [after] = await client.send('work', [{ id: 'after', body: new Uint8Array(1) }]);
      test.check.equal(after?.status, 'stored', 'a send after descriptors are free again');
      const got = await drainFully(test, await test.transport(), 'work');
      test.check.equal(test.recorder.lost([...starved.stored, 'after']), [], 'acknowledged and lost');
      const undead = test.recorder.unexpected([...starved.stored, ...starved.unknown, 'after']);
      test.check.equal(undead, [], 'refused, and yet delivered');
      test.check.equal(got.length, new Set(idsOf(got)).size, 'deliveries of one message');
    },
  },
]);

/** The results of a process without free file descriptors. */
interface StarvedWork {
  readonly opened: number;
  readonly stored: readonly string[];
  readonly unknown: readonly string[];
  readonly strange: readonly string[];
}

async function assertDelay(test: TestContext, client: RemoteClient, transport: Transport): Promise<void> {
  const queue = `delayed-${client.pid}`;
  const began = performance.now();
  await client.send(queue, [{ body: new Uint8Array(1), delayMs: 300 }]);
  const early = await client.receive(queue, { waitMs: 150 });
  // A process that waited for the CPU begins to receive late, and may get the message in time.
  if (early.length === 0) await receiveOne(test, transport, queue);
  test.check.between(performance.now() - began, 299, 299 + test.beyond(2_000), 'milliseconds until the delivery');
}

/** Retries until it succeeds. The ids make this safe. */
async function persistently<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (attempt === 50) throw error;
    }
  }
}

/** Wraps `queues`; half of the calls get a fault. */
function withFaults(queues: Queues, random: () => number): Queues {
  const hurt = async <T>(call: () => Promise<T>): Promise<T> => {
    const fate = random();
    if (fate < 0.15) throw new BusbarError('UNAVAILABLE', 'injected: never made', { outcome: 'failed' });
    if (fate < 0.35) await pause(random() * 15);
    const result = await call();
    if (fate > 0.85) throw new BusbarError('UNAVAILABLE', 'injected: the response is lost', { outcome: 'unknown' });
    return result;
  };
  return {
    send: (...args) => hurt(() => queues.send(...args)),
    receive: (...args) => hurt(() => queues.receive(...args)),
    settle: (...args) => hurt(() => queues.settle(...args)),
    configure: (...args) => hurt(() => queues.configure(...args)),
  };
}
