/** Acknowledging: redelivery, attempt numbers and unchanged content. */

import type { Delivery, Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import { consume, idsOf, ROUNDING_MS, receiveOne, settle, texts } from '../steps/consuming.ts';
import { assertCounts, deadLetters } from '../steps/queue-view.ts';
import { spoil } from '../steps/values.ts';

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Ack/nack/visibility' }, [
  {
    id: 'A9',
    title: 'retries and lease expiries count attempts 1, 2, 3; a release does not count',
    rules: ['RQ2'],
    smoke: true,
    async run(test, transport) {
      await transport.queues.configure('work', { leaseMs: 300 });
      await test.send(transport, 'work', test.messages(1));
      const seen: number[] = [];
      const next = async (): Promise<Delivery[]> => {
        const delivery = await receiveOne(test, transport, 'work');
        seen.push(delivery.attempt);
        return [delivery];
      };
      await settle(test, transport, await next(), { action: 'release' });
      await settle(test, transport, await next(), { action: 'retry' });
      await next();
      const afterLease = await next();
      await settle(test, transport, afterLease, { action: 'extend' });
      await settle(test, transport, afterLease, { action: 'release' });
      await settle(test, transport, await next(), { action: 'retry', delayMs: 20 });
      await test.ack(transport, await next());
      test.check.equal(seen, [1, 1, 2, 3, 3, 4], 'attempts');
    },
  },
  {
    id: 'A11',
    title: 'the attempt number identifies exactly the messages that were delivered before',
    rules: ['RQ2'],
    async run(test, transport) {
      await test.send(transport, 'work', test.messages(10));
      const held = await test.receive(transport, 'work', 8);
      const isRetried = (_: Delivery, at: number): boolean => [1, 4, 6].includes(at);
      await settle(test, transport, held.filter(isRetried), { action: 'retry' });
      const others = held.filter((one, at) => !isRetried(one, at));
      await settle(test, transport, others, { action: 'release' });
      const got = await test.receive(await test.open(), 'work', 10);
      const again = got.filter(({ attempt }) => attempt > 1);
      test.check.equal(texts(test, again).sort(), ['m1', 'm4', 'm6'], 'delivered before');
      test.check.every(got, ({ attempt }) => attempt <= 2, 'no message has more than two attempts');
    },
  },
  {
    id: 'A13',
    title: 'attempts of a delayed retry keep counting up to the limit',
    rules: ['RQ2', 'RQ5'],
    async run(test, transport) {
      await test.send(transport, 'work', test.messages(1, { maxAttempts: 3 }));
      for (const attempt of [1, 2, 3]) {
        const delivery = await receiveOne(test, transport, 'work');
        test.check.equal(delivery.attempt, attempt, 'attempt');
        await settle(test, transport, [delivery], { action: 'retry', delayMs: 40, reason: `failure ${attempt}` });
      }
      const [letter] = await deadLetters(test, transport, 'work', 1);
      const expected = [1, 2, 3].map((attempt) => [attempt, 'retry', `failure ${attempt}`]);
      const history = letter?.history.map(({ attempt, outcome, reason }) => [attempt, outcome, reason]);
      test.check.equal(history, expected, 'its history');
      await test.nothing(transport, 'work', test.beyond(150));
    },
  },
  {
    id: 'A14',
    title: 'a delayed retry is redelivered after its delay, not before; other messages overtake it',
    rules: ['RQ6', 'RQ4'],
    smoke: true,
    async run(test, transport) {
      await test.send(transport, 'work', test.messages(2));
      const first = await receiveOne(test, transport, 'work');
      const began = performance.now();
      await settle(test, transport, [first], { action: 'retry', delayMs: 300 });
      test.check.equal(test.text(await receiveOne(test, transport, 'work')), 'm1', 'messages ahead of it');
      await assertCounts(test, transport, 'work', { delayed: 1, ready: 0 });
      const again = await receiveOne(test, await test.open(), 'work');
      const tookMs = performance.now() - began;
      test.check.between(tookMs, 300 - ROUNDING_MS, test.beyond(300) + 3_000, 'the way back');
      test.check.equal([test.text(again), again.attempt], ['m0', 2], 'redelivered messages');
    },
  },
  {
    id: 'A15',
    title: 'hundreds of failures lose and duplicate no message',
    rules: ['RQ1', 'RQ2'],
    async run(test, transport) {
      const ids = idsOf(await test.send(transport, 'work', test.messages(200)));
      const members = [transport, await test.open(), await test.open()];
      let left = ids.length;
      const work = async (member: Transport): Promise<void> => {
        while (left > 0) {
          const got = await member.queues.receive('work', { max: 10, waitMs: 50 });
          test.recorder.add(got);
          const good = got.filter(({ attempt }) => attempt === 3);
          left -= good.length;
          const bad = got.filter((one) => !good.includes(one));
          await settle(test, member, bad, { action: 'retry' });
          await settle(test, member, good, { action: 'ack' });
        }
      };
      await Promise.all(members.map(work));
      test.check.equal(test.recorder.repeated(), [], 'attempts delivered twice');
      test.check.equal(test.recorder.lost(ids), [], 'lost messages');
      test.check.equal(test.recorder.all.length, 600, 'all deliveries');
      await assertCounts(test, transport, 'work', { ready: 0, delayed: 0, leased: 0, dead: 0 });
    },
  },
  {
    id: 'A19',
    title: "a consumer's changes to a message object do not appear in its redelivery",
    rules: ['RA5', 'RQ1'],
    async run(test, transport) {
      await test.send(transport, 'work', [{ body: Buffer.from('original'), headers: { kind: 'original' } }]);
      for (let round = 1; round <= 3; round += 1) {
        const delivery = await receiveOne(test, transport, 'work');
        test.check.equal([test.text(delivery), delivery.headers['kind']], ['original', 'original'], `attempt ${round}`);
        spoil(delivery);
        await settle(test, transport, [delivery], { action: round === 3 ? 'reject' : 'retry' });
      }
      const [letter] = await deadLetters(test, transport, 'work', 1);
      letter?.message.body.fill(0);
      await transport.admin.redrive('work');
      const [redriven] = await consume(test, transport, 'work', 1);
      const content = redriven && [test.text(redriven), redriven.headers['kind']];
      test.check.equal(content, ['original', 'original'], 'redriven');
    },
  },
]);
