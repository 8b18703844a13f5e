/** Acknowledging: each settlement takes effect once, and only on its own delivery. */

import type { Settlement } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import { fieldsOf, receiveOne, settle, settleStatuses } from '../steps/consuming.ts';
import { assertCounts, deadLetters, queueInfo } from '../steps/queue-view.ts';

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Ack/nack/visibility' }, [
  {
    id: 'A1',
    title: 'a retried message is redelivered at once as its second attempt',
    rules: ['RQ1', 'RQ2'],
    smoke: true,
    async run(test) {
      const [transport, other] = [await test.transport(), await test.open()];
      await test.send(transport, 'work', test.messages(1, { headers: { kind: 'x' } }));
      const first = await receiveOne(test, transport, 'work');
      const waiting = receiveOne(test, other, 'work');
      const began = performance.now();
      await settle(test, transport, [first], { action: 'retry', reason: 'not now' });
      const second = await waiting;
      test.check.between(performance.now() - began, 0, 3_000, 'the way back');
      test.check.equal([second.id, test.text(second), second.attempt], [first.id, 'm0', 2], 'redelivered messages');
      test.check.equal({ ...second.headers }, { kind: 'x' }, 'its headers');
      test.check.ok(second.receipt !== first.receipt, 'each delivery has its own receipt');
      await test.ack(other, [second]);
      await assertCounts(test, transport, 'work', { ready: 0, delayed: 0, leased: 0, dead: 0 });
    },
  },
  {
    id: 'A2',
    title: 'an acked message is never redelivered, observed for twice its lease',
    rules: ['RQ1'],
    smoke: true,
    async run(test, transport) {
      await transport.queues.configure('work', { leaseMs: 500 });
      await test.send(transport, 'work', test.messages(5));
      await test.ack(transport, await test.receive(transport, 'work', 5));
      await test.nothing(await test.open(), 'work', test.beyond(1_000));
      const { totals } = await queueInfo(transport, 'work');
      test.check.equal(totals, { sent: 5, done: 5, dead: 0, expired: 0 }, 'totals');
      await assertCounts(test, transport, 'work', { ready: 0, delayed: 0, leased: 0, dead: 0 });
    },
  },
  {
    id: 'A3',
    title: 'a rejected message becomes a dead letter at once and is never redelivered',
    rules: ['RQ5'],
    async run(test, transport) {
      await transport.queues.configure('work', { leaseMs: 300 });
      await test.send(transport, 'work', test.messages(3));
      const held = await test.receive(transport, 'work', 3);
      await settle(test, transport, held.slice(1, 2), { action: 'reject', reason: 'unreadable' });
      await settle(test, transport, [...held.slice(0, 1), ...held.slice(2)], { action: 'ack' });
      const [letter] = await deadLetters(test, transport, 'work', 1);
      test.check.equal([letter?.message.id, letter?.attempts], [held[1]?.id, 1], 'the dead letter');
      test.check.equal(letter?.dead?.reason, 'unreadable', 'its reason');
      await test.nothing(transport, 'work', test.beyond(400));
    },
  },
  {
    id: 'A4',
    title: 'a second ack has no effect, also within one batch',
    rules: ['RQ3'],
    smoke: true,
    async run(test, transport) {
      await test.send(transport, 'work', test.messages(3));
      const [one, two, three] = await test.receive(transport, 'work', 3);
      const held = [one, two, two, one].filter((delivery) => delivery !== undefined);
      const first = await settleStatuses(transport, held, { action: 'ack' });
      test.check.equal(first, ['done', 'done', 'lease-lost', 'lease-lost'], 'acks of one, two, two, one');
      const again = await settleStatuses(transport, held, { action: 'ack' });
      test.check.equal(again, Array(held.length).fill('lease-lost'), 'all once more');
      await assertCounts(test, transport, 'work', { ready: 0, leased: 1 });
      if (three !== undefined) await test.ack(transport, [three]);
      const { totals } = await queueInfo(transport, 'work');
      test.check.equal(totals.done, 3, 'messages done');
    },
  },
  {
    id: 'A5',
    title: 'a receipt settles once: the first settlement holds, later ones are `lease-lost`',
    rules: ['RQ3'],
    async run(test, transport) {
      const actions = ['ack', 'retry', 'reject', 'release'] as const;
      for (const first of actions) {
        await test.send(transport, first, test.messages(1));
        const held = [await receiveOne(test, transport, first)];
        await settle(test, transport, held, { action: first });
        for (const second of [...actions, 'extend'] as const) {
          const statuses = await settleStatuses(transport, held, { action: second });
          test.check.equal(statuses, ['lease-lost'], `${second} after ${first}`);
        }
      }
      await assertCounts(test, transport, 'ack', { ready: 0, delayed: 0, leased: 0, dead: 0 });
      await assertCounts(test, transport, 'retry', { ready: 1, delayed: 0, leased: 0, dead: 0 });
      await assertCounts(test, transport, 'reject', { ready: 0, delayed: 0, leased: 0, dead: 1 });
      await assertCounts(test, transport, 'release', { ready: 1, delayed: 0, leased: 0, dead: 0 });
      const held = await receiveOne(test, transport, 'retry');
      test.check.equal(held.attempt, 2, 'attempt after the retry');
      test.check.equal((await receiveOne(test, transport, 'release')).attempt, 1, 'attempt after the release');
      await transport.admin.deleteQueue('retry');
      const late = await settleStatuses(transport, [held], { action: 'ack' });
      test.check.equal(late, ['lease-lost'], 'in a deleted queue');
    },
  },
  {
    id: 'A28',
    title: 'the totals of a queue count each message of a batch, acked or dead',
    rules: ['RQ3', 'RA6'],
    async run(test, transport) {
      await test.send(transport, 'work', test.messages(7));
      const held = await test.receive(transport, 'work', 7);
      await settle(test, transport, held.slice(0, 4), { action: 'ack' });
      await settle(test, transport, held.slice(4), { action: 'reject' });
      await assertCounts(test, transport, 'work', { ready: 0, leased: 0, dead: 3 });
      const { totals } = await queueInfo(await test.open(), 'work');
      test.check.equal(totals, { sent: 7, done: 4, dead: 3, expired: 0 }, 'totals');
    },
  },
  {
    id: 'A16',
    title: 'settlements of a batch take effect one by one: a lost lease affects no other settlement',
    rules: ['RD2', 'RQ3'],
    async run(test, transport) {
      await test.send(transport, 'work', test.messages(7));
      const held = await test.receive(transport, 'work', 7);
      await test.ack(transport, held.slice(6));
      const actions = ['ack', 'retry', 'reject', 'ack', 'release', 'extend', 'retry'] as const;
      const results = await transport.queues.settle(
        held.map(({ receipt }, at): Settlement => ({ receipt, action: actions[at] ?? 'ack' })),
      );
      test.check.equal(fieldsOf(results, 'receipt'), fieldsOf(held, 'receipt'), 'results in order');
      const statuses = results.map(({ status }) => status);
      test.check.equal(statuses, ['done', 'done', 'done', 'done', 'done', 'done', 'lease-lost'], 'statuses');
      await assertCounts(test, transport, 'work', { ready: 2, delayed: 0, leased: 1, dead: 1 });
      const back = await test.receive(transport, 'work', 2);
      const attempts = back.map((one) => `${test.text(one)} ${one.attempt}`);
      test.check.equal(attempts.sort(), ['m1 2', 'm4 1'], 'redelivered messages');
      const { totals } = await queueInfo(transport, 'work');
      test.check.equal(totals, { sent: 7, done: 3, dead: 1, expired: 0 }, 'totals');
    },
  },
]);
