/** Leases: one holder until expiry, then the next, and no effect of late settlements. */

import type { Delivery, Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import { idsOf, ROUNDING_MS, receiveOne, settle, settleStatuses, waitUntil } from '../steps/consuming.ts';
import { assertCounts, deadLetters, queueInfo } from '../steps/queue-view.ts';

const ACTIONS = ['ack', 'retry', 'reject', 'release', 'extend'] as const;

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Ack/nack/visibility' }, [
  {
    id: 'A6',
    title: 'an expired receipt settles nothing, whether the message has a new holder or not',
    rules: ['RQ3'],
    shows: ['staleSettleRefused', 'portableReceipts'],
    smoke: true,
    async run(test) {
      const [late, next, third] = [await test.transport(), await test.open(), await test.open()];
      await late.queues.configure('work', { leaseMs: 600 });
      await test.send(late, 'work', test.messages(2));
      const stale = await test.receive(late, 'work', 2);
      const leasesEnd = performance.now() + test.beyond(600);
      const held = await receiveOne(test, next, 'work');
      test.check.equal([held.id, held.attempt], [stale[0]?.id, 2], 'messages of the next consumer');
      for (const action of ACTIONS) {
        const statuses = await settleStatuses(late, stale.slice(0, 1), { action });
        test.check.equal(statuses, ['lease-lost'], `${action}, too late`);
      }
      if (test.capabilities.features.staleSettleRefused && test.capabilities.features.portableReceipts) {
        const statuses = await settleStatuses(third, stale.slice(0, 1), { action: 'ack' });
        test.check.equal(statuses, ['lease-lost'], 'a late ack by another client');
      }
      await test.ack(next, [held]);
      await waitUntil(test, leasesEnd + ROUNDING_MS);
      const { ready, leased } = await queueInfo(late, 'work');
      test.check.equal([ready, leased], [1, 0], 'ready and leased after both leases');
      const unheld = await settleStatuses(late, stale.slice(1), { action: 'ack' });
      test.check.equal(unheld, ['lease-lost'], 'ack of an unheld message');
      const again = await receiveOne(test, next, 'work');
      test.check.equal([again.id, again.attempt], [stale[1]?.id, 2], 'unheld messages');
    },
  },
  {
    id: 'A27',
    title: 'after its lease a settlement has no effect, also while no consumer waits for the message or claims it',
    rules: ['RQ2', 'RQ3'],
    async run(test, transport) {
      await transport.queues.configure('work', { leaseMs: 300 });
      await test.send(transport, 'work', test.messages(ACTIONS.length));
      const stale = await test.receive(transport, 'work', ACTIONS.length);
      await waitUntil(test, performance.now() + test.beyond(300) + ROUNDING_MS);
      for (const [index, action] of ACTIONS.entries()) {
        const statuses = await settleStatuses(transport, stale.slice(index, index + 1), { action });
        test.check.equal(statuses, ['lease-lost'], `${action}, too late`);
      }
      await assertCounts(test, transport, 'work', { ready: ACTIONS.length, leased: 0, dead: 0 });
      const again = await test.receive(transport, 'work', ACTIONS.length);
      const attempts = stale.map(({ id }) => [id, 2]);
      test.check.mapped(again, ({ id, attempt }) => [id, attempt], attempts, 'the next attempts');
    },
  },
  {
    id: 'A7',
    title: 'when a lease expires the message goes to another consumer once: not early, and only a little late',
    rules: ['RQ2', 'RQ6'],
    smoke: true,
    async run(test) {
      const [holder, other, third] = [await test.transport(), await test.open(), await test.open()];
      await holder.queues.configure('work', { leaseMs: 300 });
      await test.send(holder, 'work', test.messages(1));
      const began = performance.now();
      const first = await receiveOne(test, holder, 'work');
      test.check.between(first.leaseLeftMs, 1, 300, 'leaseLeftMs');
      const received: Delivery[] = [];
      const wait = async (client: Transport): Promise<void> => {
        const got = await client.queues.receive('work', { waitMs: test.beyond(300) + 3_000 });
        const tookMs = performance.now() - began;
        received.push(...got);
        if (got.length === 0) return;
        test.check.between(tookMs, 300 - ROUNDING_MS, test.beyond(300) + 3_000, 'the time to that moment');
        await test.ack(client, got);
      };
      await Promise.race([wait(other), wait(third)]);
      await test.nothing(holder, 'work', test.beyond(400));
      test.check.mapped(received, ({ id, attempt }) => [id, attempt], [[first.id, 2]], 'messages of the others');
    },
  },
  {
    id: 'A8',
    title: 'each extend renews the full lease, or the one that it asks for, from the moment of the call',
    rules: ['RQ2'],
    async run(test) {
      const [holder, other] = [await test.transport(), await test.open()];
      await holder.queues.configure('work', { leaseMs: 800 });
      await test.send(holder, 'work', test.messages(1));
      const [held] = await holder.queues.receive('work', { consumer: 'holder', waitMs: 5_000 });
      if (held === undefined) return test.check.fail('no delivery');
      await assertShown(test, other, held);
      let extendedAt = 0;
      for (let round = 0; round < 3; round += 1) {
        await test.nothing(other, 'work', 400);
        extendedAt = performance.now();
        const [result] = await holder.queues.settle([{ receipt: held.receipt, action: 'extend' }]);
        test.check.equal(result?.status, 'done', `extension ${round}`);
        test.check.between(result?.leaseLeftMs ?? 0, 700, 800, 'leaseLeftMs after it');
      }
      const [longer] = await holder.queues.settle([{ receipt: held.receipt, action: 'extend', leaseMs: 20_000 }]);
      test.check.between(longer?.leaseLeftMs ?? 0, 19_900, 20_000, 'leaseLeftMs of a longer one');
      await test.nothing(other, 'work', test.beyond(800));
      const waiting = receiveOne(test, other, 'work');
      extendedAt = performance.now();
      await settle(test, holder, [held], { action: 'extend' });
      const next = await waiting;
      const tookMs = performance.now() - extendedAt;
      test.check.between(tookMs, 800 - ROUNDING_MS, test.beyond(800) + 3_000, 'the last extension');
      test.check.equal([next.id, next.attempt], [held.id, 2], 'delivery after the lease');
      const extended = await settleStatuses(holder, [held], { action: 'extend' });
      test.check.equal(extended, ['lease-lost'], 'extending a lost lease');
    },
  },
  {
    id: 'A10',
    title: 'attempts and their history survive a restart',
    rules: ['RQ2', 'RQ5'],
    harnessFeatures: ['reopen'],
    async run(test) {
      let transport = await test.transport();
      await test.send(transport, 'work', test.messages(1, { maxAttempts: 4 }));
      for (const attempt of [1, 2, 3, 4]) {
        const delivery = await receiveOne(test, transport, 'work');
        test.check.equal(delivery.attempt, attempt, 'attempt');
        await settle(test, transport, [delivery], { action: 'retry', reason: `failure ${attempt}` });
        transport = await test.reopen();
      }
      const [letter] = await deadLetters(test, transport, 'work', 1);
      const history = letter?.history.map(({ attempt, reason }) => `${attempt}: ${reason}`);
      test.check.equal(history, ['1: failure 1', '2: failure 2', '3: failure 3', '4: failure 4'], 'its history');
      await test.nothing(transport, 'work', 50);
    },
  },
  {
    id: 'A22',
    title: 'a message held by a consumer that is killed before the ack is redelivered once',
    rules: ['RQ1', 'RQ2'],
    harnessFeatures: ['processes'],
    async run(test, transport) {
      await transport.queues.configure('work', { leaseMs: 500 });
      const ids = idsOf(await test.send(transport, 'work', test.messages(6)));
      const worker = await test.process();
      const began = performance.now();
      const held: Delivery[] = [];
      while (held.length < 4) held.push(...(await worker.receive('work', { max: 4 - held.length, waitMs: 1_000 })));
      await worker.settle(held.slice(0, 1).map(({ receipt }) => ({ receipt, action: 'ack' })));
      await worker.kill();
      await transport.queues.configure('work', { leaseMs: 30_000 });
      const got = await test.receive(transport, 'work', 5);
      test.check.equal(idsOf(got).sort(), ids.slice(1).sort(), 'messages of the next consumer');
      const again = got.filter(({ attempt }) => attempt === 2);
      test.check.equal(idsOf(again).sort(), idsOf(held.slice(1)).sort(), 'redelivered message');
      if (test.capabilities.lease === 'timed') {
        const tookMs = performance.now() - began;
        test.check.ok(tookMs >= 500 - ROUNDING_MS, 'a lease lasts its time, also after the death of its holder');
      }
      await test.ack(transport, got);
      await test.nothing(transport, 'work', test.beyond(600));
    },
  },
  {
    id: 'A23',
    title: 'every message ends in exactly one way: done, dead or expired, and the totals add up',
    rules: ['RQ1', 'RQ5', 'RQ6'],
    timeoutMs: 90_000,
    async run(test, transport) {
      await transport.queues.configure('work', { maxAttempts: 3 });
      const fates = ['ack', 'retry', 'reject', 'expire'] as const;
      const sent = test.messages(80).map((message, at) => {
        const fate = fates[at % 4] ?? 'ack';
        return { ...message, type: fate, ...(fate === 'expire' && { ttlMs: 2_000 }) };
      });
      const ids = idsOf(await test.send(transport, 'work', sent));
      const acked = await meetFates(test, [transport, await test.open(), await test.open()]);
      const letters = await deadLetters(test, transport, 'work', 40);
      test.check.equal([...acked].sort(), ids.filter((_, at) => at % 4 === 0).sort(), 'acked');
      const dead = idsOf(letters.map(({ message }) => message));
      test.check.equal(dead.sort(), ids.filter((_, at) => at % 4 === 1 || at % 4 === 2).sort(), 'dead');
      const isOver = async (): Promise<boolean> => (await queueInfo(transport, 'work')).totals.expired >= 20;
      await test.until('20 are expired', isOver, test.capabilities.reclaimMs + 10_000);
      const { totals } = await queueInfo(transport, 'work');
      test.check.equal(totals, { sent: 80, done: 20, dead: 40, expired: 20 }, 'totals');
      await assertCounts(test, transport, 'work', { ready: 0, delayed: 0, leased: 0, dead: 40 });
      await test.nothing(transport, 'work', 50);
      test.check.equal(test.recorder.repeated(), [], 'attempts delivered twice');
    },
  },
  {
    id: 'A24',
    title: 'a lowered `leaseMs` applies to the next leases, and held leases last as long as before',
    rules: ['RQ2'],
    async run(test) {
      const [holder, other] = [await test.transport(), await test.open()];
      await holder.queues.configure('work', { leaseMs: 5_000 });
      await test.send(holder, 'work', test.messages(4));
      const began = performance.now();
      const held = await test.receive(holder, 'work', 3);
      await other.queues.configure('work', { leaseMs: 1_000 });
      const fresh = await receiveOne(test, other, 'work');
      test.check.between(fresh.leaseLeftMs, 1, 1_000, 'the next lease');
      const again = await receiveOne(test, other, 'work');
      test.check.equal([again.id, again.attempt], [fresh.id, 2], 'delivery after the short lease');
      await test.ack(other, [again]);
      await test.nothing(other, 'work', test.beyond(1_000));
      await test.ack(holder, held.slice(0, 1));
      await settle(test, holder, held.slice(1, 2), { action: 'extend' });
      await test.ack(holder, held.slice(1, 2));
      const last = await receiveOne(test, other, 'work', test.beyond(5_000) + 3_000);
      const tookMs = performance.now() - began;
      test.check.between(tookMs, 5_000 - ROUNDING_MS, test.beyond(5_000) + 3_000, 'the lease held meanwhile');
      test.check.equal([last.id, last.attempt], [held[2]?.id, 2], 'delivery after the long lease');
    },
  },
]);

/** Operators see the consumer and the remaining lease. */
async function assertShown(test: TestContext, operator: Transport, held: Delivery): Promise<void> {
  const { messages } = await operator.admin.browse('work', { state: 'leased' });
  const shown = messages.map(({ message, state, attempts, consumer }) => [message.id, state, attempts, consumer]);
  test.check.equal(shown, [[held.id, 'leased', 1, 'holder']], 'lease in browse');
  test.check.between(messages[0]?.leaseLeftMs ?? 0, 1, 800, 'remaining lease');
}

/** Settles each message as its type says. Resolves with the acked ids when nothing is ready. */
async function meetFates(test: TestContext, members: readonly Transport[]): Promise<string[]> {
  const acked: string[] = [];
  const settleOne = async (member: Transport, delivery: Delivery): Promise<void> => {
    const { type } = delivery;
    if (type === 'ack') acked.push(delivery.id);
    if (type === 'expire') await settle(test, member, [delivery], { action: 'retry', delayMs: 3_600_000 });
    else await settle(test, member, [delivery], { action: type === 'ack' || type === 'reject' ? type : 'retry' });
  };
  const work = async (member: Transport): Promise<void> => {
    for (;;) {
      const got = await member.queues.receive('work', { max: 7, waitMs: 200 });
      if (got.length === 0) return;
      test.recorder.add(got);
      await Promise.all(got.map((delivery) => settleOne(member, delivery)));
    }
  };
  await Promise.all(members.map(work));
  return acked;
}
