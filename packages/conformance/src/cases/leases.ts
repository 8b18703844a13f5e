/** Leases: one holder until expiry, then the next, and no effect of late settlements. */

import type { Delivery, Transport } from '@busbar/api/transport';
import type { ConformanceCase } from '../case.ts';
import type { Lab } from '../context/test-context.ts';
import { idsOf, ROUNDING_MS, reached, receiveOne, settle, verdicts } from '../steps/consuming.ts';
import { deadLetters, holds, queueInfo } from '../steps/queue-view.ts';

const group = 'Ack/nack/visibility';
const ACTIONS = ['ack', 'retry', 'reject', 'release', 'extend'] as const;

export const cases: readonly ConformanceCase[] = [
  {
    id: 'A6',
    group,
    title: 'an expired receipt settles nothing, whether the message has a new holder or not',
    level: 'MUST',
    rules: ['RQ3'],
    shows: ['staleSettleRefused', 'portableReceipts'],
    smoke: true,
    async run(lab) {
      const [late, next, third] = [await lab.transport(), await lab.open(), await lab.open()];
      await late.queues.configure('work', { leaseMs: 600 });
      await lab.send(late, 'work', lab.messages(2));
      const stale = await lab.receive(late, 'work', 2);
      const leasesEnd = performance.now() + lab.beyond(600);
      const held = await receiveOne(lab, next, 'work');
      lab.check.equal([held.id, held.attempt], [stale[0]?.id, 2], 'messages of the next consumer');
      for (const action of ACTIONS) {
        lab.check.equal(await verdicts(late, stale.slice(0, 1), { action }), ['lease-lost'], `${action}, too late`);
      }
      if (lab.capabilities.features.staleSettleRefused && lab.capabilities.features.portableReceipts) {
        const statuses = await verdicts(third, stale.slice(0, 1), { action: 'ack' });
        lab.check.equal(statuses, ['lease-lost'], 'a late ack by another client');
      }
      await lab.ack(next, [held]);
      await reached(lab, leasesEnd + ROUNDING_MS);
      const { ready, leased } = await queueInfo(late, 'work');
      lab.check.equal([ready, leased], [1, 0], 'ready and leased when both leases are over');
      lab.check.equal(
        await verdicts(late, stale.slice(1), { action: 'ack' }),
        ['lease-lost'],
        'ack of an unheld message',
      );
      const again = await receiveOne(lab, next, 'work');
      lab.check.equal([again.id, again.attempt], [stale[1]?.id, 2], 'unheld messages');
    },
  },
  {
    id: 'A7',
    group,
    title: 'when a lease expires the message goes to another consumer once: not early, and only a little late',
    level: 'MUST',
    rules: ['RQ2', 'RQ6'],
    smoke: true,
    async run(lab) {
      const [holder, other, third] = [await lab.transport(), await lab.open(), await lab.open()];
      await holder.queues.configure('work', { leaseMs: 300 });
      await lab.send(holder, 'work', lab.messages(1));
      const began = performance.now();
      const first = await receiveOne(lab, holder, 'work');
      lab.check.between(first.leaseLeftMs, 1, 300, 'leaseLeftMs');
      const received: Delivery[] = [];
      const wait = async (client: Transport): Promise<void> => {
        const got = await client.queues.receive('work', { waitMs: lab.beyond(300) + 3_000 });
        const tookMs = performance.now() - began;
        received.push(...got);
        if (got.length === 0) return;
        lab.check.between(tookMs, 300 - ROUNDING_MS, lab.beyond(300) + 3_000, 'the time until then');
        await lab.ack(client, got);
      };
      await Promise.race([wait(other), wait(third)]);
      await lab.nothing(holder, 'work', lab.beyond(400));
      lab.check.equal(
        received.map(({ id, attempt }) => [id, attempt]),
        [[first.id, 2]],
        'messages of the others',
      );
    },
  },
  {
    id: 'A8',
    group,
    title: 'each extend renews the full lease from the moment of the call',
    level: 'MUST',
    rules: ['RQ2'],
    async run(lab) {
      const [holder, other] = [await lab.transport(), await lab.open()];
      await holder.queues.configure('work', { leaseMs: 800 });
      await lab.send(holder, 'work', lab.messages(1));
      const [held] = await holder.queues.receive('work', { consumer: 'holder', waitMs: 5_000 });
      if (held === undefined) return lab.check.fail('no delivery');
      await assertShown(lab, other, held);
      let extendedAt = 0;
      for (let round = 0; round < 3; round += 1) {
        await lab.nothing(other, 'work', 400);
        extendedAt = performance.now();
        const [result] = await holder.queues.settle([{ receipt: held.receipt, action: 'extend' }]);
        lab.check.equal(result?.status, 'done', `extension ${round}`);
        lab.check.between(result?.leaseLeftMs ?? 0, 700, 800, 'leaseLeftMs after it');
      }
      const next = await receiveOne(lab, other, 'work');
      const tookMs = performance.now() - extendedAt;
      lab.check.between(tookMs, 800 - ROUNDING_MS, lab.beyond(800) + 3_000, 'the last extension');
      lab.check.equal([next.id, next.attempt], [held.id, 2], 'delivery after the lease');
      lab.check.equal(await verdicts(holder, [held], { action: 'extend' }), ['lease-lost'], 'extending a lost lease');
    },
  },
  {
    id: 'A10',
    group,
    title: 'attempts and their history survive a restart',
    level: 'MUST',
    rules: ['RQ2', 'RQ5'],
    powers: ['reopen'],
    async run(lab) {
      let transport = await lab.transport();
      await lab.send(transport, 'work', lab.messages(1, { maxAttempts: 4 }));
      for (const attempt of [1, 2, 3, 4]) {
        const delivery = await receiveOne(lab, transport, 'work');
        lab.check.equal(delivery.attempt, attempt, 'attempt');
        await settle(lab, transport, [delivery], { action: 'retry', reason: `failure ${attempt}` });
        transport = await lab.reopen();
      }
      const [letter] = await deadLetters(lab, transport, 'work', 1);
      const history = letter?.history.map(({ attempt, reason }) => `${attempt}: ${reason}`);
      lab.check.equal(history, ['1: failure 1', '2: failure 2', '3: failure 3', '4: failure 4'], 'its history');
      await lab.nothing(transport, 'work', 50);
    },
  },
  {
    id: 'A22',
    group,
    title: 'a message held by a consumer that is killed before the ack is redelivered once',
    level: 'MUST',
    rules: ['RQ1', 'RQ2'],
    powers: ['processes'],
    async run(lab) {
      const transport = await lab.transport();
      await transport.queues.configure('work', { leaseMs: 500 });
      const ids = idsOf(await lab.send(transport, 'work', lab.messages(6)));
      const worker = await lab.process();
      const began = performance.now();
      const held: Delivery[] = [];
      while (held.length < 4) held.push(...(await worker.receive('work', { max: 4 - held.length, waitMs: 1_000 })));
      await worker.settle(held.slice(0, 1).map(({ receipt }) => ({ receipt, action: 'ack' })));
      await worker.kill();
      await transport.queues.configure('work', { leaseMs: 30_000 });
      const got = await lab.receive(transport, 'work', 5);
      lab.check.equal(idsOf(got).sort(), ids.slice(1).sort(), 'messages of the next consumer');
      const again = got.filter(({ attempt }) => attempt === 2);
      lab.check.equal(idsOf(again).sort(), idsOf(held.slice(1)).sort(), 'redelivered message');
      if (lab.capabilities.lease === 'timed') {
        lab.check.ok(performance.now() - began >= 500 - ROUNDING_MS, 'a lease lasts its time, also of the dead');
      }
      await lab.ack(transport, got);
      await lab.nothing(transport, 'work', lab.beyond(600));
    },
  },
  {
    id: 'A23',
    group,
    title: 'every message ends in exactly one way: done, dead or expired, and the totals add up',
    level: 'MUST',
    rules: ['RQ1', 'RQ5', 'RQ6'],
    timeoutMs: 90_000,
    async run(lab) {
      const transport = await lab.transport();
      await transport.queues.configure('work', { maxAttempts: 3 });
      const fates = ['ack', 'retry', 'reject', 'expire'] as const;
      const sent = lab.messages(80).map((message, at) => {
        const fate = fates[at % 4] ?? 'ack';
        return { ...message, type: fate, ...(fate === 'expire' && { ttlMs: 2_000 }) };
      });
      const ids = idsOf(await lab.send(transport, 'work', sent));
      const acked = await meetFates(lab, [transport, await lab.open(), await lab.open()]);
      const letters = await deadLetters(lab, transport, 'work', 40);
      lab.check.equal([...acked].sort(), ids.filter((_, at) => at % 4 === 0).sort(), 'acked');
      const dead = idsOf(letters.map(({ message }) => message));
      lab.check.equal(dead.sort(), ids.filter((_, at) => at % 4 === 1 || at % 4 === 2).sort(), 'dead');
      const isOver = async (): Promise<boolean> => (await queueInfo(transport, 'work')).totals.expired >= 20;
      await lab.until('20 are expired', isOver, lab.capabilities.reclaimMs + 10_000);
      const { totals } = await queueInfo(transport, 'work');
      lab.check.equal(totals, { sent: 80, done: 20, dead: 40, expired: 20 }, 'totals');
      await holds(lab, transport, 'work', { ready: 0, delayed: 0, leased: 0, dead: 40 });
      await lab.nothing(transport, 'work', 50);
      lab.check.equal(lab.recorder.repeated(), [], 'attempts that were delivered twice');
    },
  },
];

/** Operators see the consumer and the remaining lease. */
async function assertShown(lab: Lab, operator: Transport, held: Delivery): Promise<void> {
  const { messages } = await operator.admin.browse('work', { state: 'leased' });
  const shown = messages.map(({ message, state, attempts, consumer }) => [message.id, state, attempts, consumer]);
  lab.check.equal(shown, [[held.id, 'leased', 1, 'holder']], 'lease in browse');
  lab.check.between(messages[0]?.leaseLeftMs ?? 0, 1, 800, 'remaining lease');
}

/** Settles each message as its type says. Resolves with the acked ids when nothing is ready. */
async function meetFates(lab: Lab, members: readonly Transport[]): Promise<string[]> {
  const acked: string[] = [];
  const settleOne = async (member: Transport, delivery: Delivery): Promise<void> => {
    const { type } = delivery;
    if (type === 'ack') acked.push(delivery.id);
    if (type === 'expire') await settle(lab, member, [delivery], { action: 'retry', delayMs: 3_600_000 });
    else await settle(lab, member, [delivery], { action: type === 'ack' || type === 'reject' ? type : 'retry' });
  };
  const work = async (member: Transport): Promise<void> => {
    for (;;) {
      const got = await member.queues.receive('work', { max: 7, waitMs: 200 });
      if (got.length === 0) return;
      lab.recorder.add(got);
      await Promise.all(got.map((delivery) => settleOne(member, delivery)));
    }
  };
  await Promise.all(members.map(work));
  return acked;
}
