/** Fault injection: processes killed while they work, and holders that resume after their lease expired. */

import { setTimeout as pause } from 'node:timers/promises';
import type { Delivery, Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import { freezeProcess } from '../faults/freeze-process.ts';
import type { RemoteClient } from '../processes/remote-client.ts';
import { drainFully, fieldsOf, idsOf, receiveOne, texts } from '../steps/consuming.ts';
import { queueInfo } from '../steps/queue-view.ts';

const LEASE_MS = 500;
/** A lease that outlasts the kill of its holder and a receive, on a machine that is slow. */
const HELD_MS = 2_000;

const shared = { group: 'Fault injection', harnessFeatures: ['processes'] } as const;

export const cases: readonly ConformanceCase[] = defineCases(shared, [
  {
    id: 'I4',
    title: 'messages held by a killed consumer go to another after their lease, with the next attempt number',
    rules: ['RQ1', 'RQ2'],
    smoke: true,
    async run(test, transport) {
      await transport.queues.configure('work', { leaseMs: HELD_MS });
      await test.send(transport, 'work', test.messages(3));
      const victim = await test.process();
      const since = performance.now();
      const held = await victim.receive('work', { max: 2, waitMs: 5_000 });
      test.check.equal(fieldsOf(held, 'attempt'), [1, 1], 'attempts of the killed consumer');
      await victim.kill();
      const rest = await receiveOne(test, transport, 'work');
      test.check.equal([test.text(rest), rest.attempt], ['m2', 1], 'messages not held by the killed consumer');
      await test.ack(transport, [rest]);
      const again = await test.receive(transport, 'work', 2);
      const waited = performance.now() - since;
      test.check.equal(texts(test, again).sort(), ['m0', 'm1'], 'held messages');
      test.check.equal(fieldsOf(again, 'attempt'), [2, 2], 'attempts after the kill');
      if (test.capabilities.lease === 'timed')
        test.check.between(waited, HELD_MS - 2, 5_000, 'milliseconds until then');
      await test.ack(transport, again);
      await test.nothing(transport, 'work', test.beyond(HELD_MS));
    },
  },
  {
    id: 'I5',
    title: 'resending everything after a producer was killed stores each message and event once',
    rules: ['RD1', 'RD2', 'RQ7'],
    async run(test, transport) {
      await transport.topics.bind('events', 'news');
      const victim = await test.process();
      const load = await victim.produce('work', { prefix: 'm', batch: 5 });
      const event = victim.publish('news', [{ id: 'e-0', body: new Uint8Array(1) }]).catch(() => undefined);
      await test.until('it has sent', () => load.sent.length >= 20);
      await pause(test.random() * 10);
      await victim.kill();
      await event;
      const ids = Array.from({ length: load.sent.length + 10 }, (_, index) => `m-${index}`);
      const results = await transport.queues.send(
        'work',
        ids.map((id) => ({ id, body: new Uint8Array(1) })),
      );
      const stored = new Set(idsOf(results.filter(({ status }) => status === 'stored')));
      const again = load.sent.filter((id) => stored.has(id));
      test.check.equal(again, [], 'acknowledged, and yet stored again');
      await transport.topics.publish('news', [{ id: 'e-0', body: new Uint8Array(1) }]);
      const got = [...(await drainFully(test, transport, 'work')), ...(await drainFully(test, transport, 'events'))];
      test.check.equal(test.recorder.lost([...ids, 'e-0']), [], 'lost');
      test.check.equal(test.recorder.duplicates(), [], 'stored twice');
      // On a busy machine the victim has sent more than was heard of it: the numbers of its ids have no gap.
      const numbers = idsOf(got)
        .filter((id) => id !== 'e-0')
        .map((id) => Number(id.slice('m-'.length)));
      test.check.equal(
        numbers.toSorted((one, other) => one - other),
        [...numbers.keys()],
        'numbers of the ids',
      );
      test.check.equal(got.length, numbers.length + 1, 'deliveries');
    },
  },
  {
    id: 'I6',
    title: 'a consumer paused past its lease settles nothing; a paused writer does not block others forever',
    rules: ['RQ2', 'RQ3'],
    shows: ['staleSettleRefused'],
    async run(test, transport) {
      await transport.queues.configure('work', { leaseMs: LEASE_MS });
      await test.send(transport, 'work', test.messages(1));
      const paused = await test.process();
      const [held] = await paused.receive('work', { waitMs: 5_000 });
      await freezeProcess(paused, transport);
      const next = await receiveOne(test, transport, 'work');
      test.check.equal(next.attempt, 2, 'attempt of the next holder');
      paused.resume();
      await assertFenced(test, paused, held, next, transport);
      await pauseWriters(test, transport);
    },
  },
  {
    id: 'I10',
    title: 'a holder whose event loop was blocked past its lease has no further effect',
    rules: ['RQ2', 'RQ3'],
    shows: ['staleSettleRefused'],
    async run(test, transport) {
      await transport.queues.configure('work', { leaseMs: LEASE_MS });
      await test.send(transport, 'work', test.messages(1));
      const blocked = await test.process();
      const [held] = await blocked.receive('work', { waitMs: 5_000 });
      const free = blocked.block(LEASE_MS * 2);
      const next = await receiveOne(test, transport, 'work');
      test.check.equal(next.attempt, 2, 'attempt of the next holder');
      await keepUntil(test, transport, next, free);
      await assertFenced(test, blocked, held, next, transport);
    },
  },
]);

/** Settlements of the late holder have no effect. The current holder settles. */
async function assertFenced(
  test: TestContext,
  late: RemoteClient,
  held: Delivery | undefined,
  next: Delivery,
  transport: Transport,
): Promise<void> {
  const receipt = held?.receipt ?? '';
  for (const action of ['ack', 'retry', 'reject', 'extend', 'release'] as const) {
    await transport.queues.settle([{ receipt: next.receipt, action: 'extend' }]);
    const [result] = await late.settle([{ receipt, action }]);
    test.check.equal(result?.status, 'lease-lost', `${action} with a receipt of a lost lease`);
  }
  await test.ack(transport, [next]);
  const { ready, leased, dead } = await queueInfo(transport, next.queue);
  test.check.equal([ready, leased, dead], [0, 0, 0], 'ready, leased and dead afterwards');
}

/** Extends a lease until `over` resolves. */
async function keepUntil(
  test: TestContext,
  transport: Transport,
  held: Delivery,
  over: Promise<unknown>,
): Promise<void> {
  let isOver = false;
  void over.then(() => {
    isOver = true;
  });
  await test.until('the other is available', async () => {
    await transport.queues.settle([{ receipt: held.receipt, action: 'extend' }]);
    return isOver;
  });
}

/** Pauses writers at any moment, also in the middle of a write. */
async function pauseWriters(test: TestContext, transport: Transport): Promise<void> {
  const writer = await test.process();
  const load = await writer.produce('load', { prefix: 'w', batch: 10 });
  for (let round = 0; round < 4; round += 1) {
    await pause(test.random() * 20);
    writer.pause();
    const sending = test.send(transport, 'load', [{ id: `own-${round}`, body: new Uint8Array(1) }]);
    await pause(50);
    writer.resume();
    await sending;
  }
  await load.stop();
  await drainFully(test, transport, 'load');
  const lost = test.recorder.lost([...load.sent, 'own-0', 'own-1', 'own-2', 'own-3']);
  test.check.equal(lost, [], 'lost during the pauses');
}
