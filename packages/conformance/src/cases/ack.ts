/** Acknowledging: each settlement takes effect once, and only on its own delivery. */

import type { Settlement } from '@busbar/api/transport';
import type { ConformanceCase } from '../case.ts';
import { receiveOne, settle, verdicts } from '../steps/consuming.ts';
import { deadLetters, holds, queueInfo } from '../steps/queue-view.ts';

const group = 'Ack/nack/visibility';

export const cases: readonly ConformanceCase[] = [
  {
    id: 'A1',
    group,
    title: 'a retried message is redelivered at once as its second attempt',
    level: 'MUST',
    rules: ['RQ1', 'RQ2'],
    smoke: true,
    async run(lab) {
      const [transport, other] = [await lab.transport(), await lab.open()];
      await lab.send(transport, 'work', lab.messages(1, { headers: { kind: 'x' } }));
      const first = await receiveOne(lab, transport, 'work');
      const waiting = receiveOne(lab, other, 'work');
      const began = performance.now();
      await settle(lab, transport, [first], { action: 'retry', reason: 'not now' });
      const second = await waiting;
      lab.check.between(performance.now() - began, 0, 3_000, 'the way back');
      lab.check.equal([second.id, lab.text(second), second.attempt], [first.id, 'm0', 2], 'redelivered messages');
      lab.check.equal({ ...second.headers }, { kind: 'x' }, 'its headers');
      lab.check.ok(second.receipt !== first.receipt, 'each delivery has a receipt of its own');
      await lab.ack(other, [second]);
      await holds(lab, transport, 'work', { ready: 0, delayed: 0, leased: 0, dead: 0 });
    },
  },
  {
    id: 'A2',
    group,
    title: 'an acked message is never redelivered, observed for twice its lease',
    level: 'MUST',
    rules: ['RQ1'],
    smoke: true,
    async run(lab) {
      const transport = await lab.transport();
      await transport.queues.configure('work', { leaseMs: 200 });
      await lab.send(transport, 'work', lab.messages(5));
      await lab.ack(transport, await lab.receive(transport, 'work', 5));
      await lab.nothing(await lab.open(), 'work', lab.beyond(400));
      const { totals } = await queueInfo(transport, 'work');
      lab.check.equal(totals, { sent: 5, done: 5, dead: 0, expired: 0 }, 'totals');
      await holds(lab, transport, 'work', { ready: 0, delayed: 0, leased: 0, dead: 0 });
    },
  },
  {
    id: 'A3',
    group,
    title: 'a rejected message becomes a dead letter at once and is never redelivered',
    level: 'MUST',
    rules: ['RQ5'],
    async run(lab) {
      const transport = await lab.transport();
      await transport.queues.configure('work', { leaseMs: 300 });
      await lab.send(transport, 'work', lab.messages(3));
      const held = await lab.receive(transport, 'work', 3);
      await settle(lab, transport, held.slice(1, 2), { action: 'reject', reason: 'unreadable' });
      await settle(lab, transport, [...held.slice(0, 1), ...held.slice(2)], { action: 'ack' });
      const [letter] = await deadLetters(lab, transport, 'work', 1);
      lab.check.equal([letter?.message.id, letter?.attempts], [held[1]?.id, 1], 'the dead letter');
      lab.check.equal(letter?.dead?.reason, 'unreadable', 'its reason');
      await lab.nothing(transport, 'work', lab.beyond(400));
    },
  },
  {
    id: 'A4',
    group,
    title: 'a second ack has no effect, also within one batch',
    level: 'MUST',
    rules: ['RQ3'],
    smoke: true,
    async run(lab) {
      const transport = await lab.transport();
      await lab.send(transport, 'work', lab.messages(3));
      const [one, two, three] = await lab.receive(transport, 'work', 3);
      const held = [one, two, two, one].filter((delivery) => delivery !== undefined);
      lab.check.equal(
        await verdicts(transport, held, { action: 'ack' }),
        ['done', 'done', 'lease-lost', 'lease-lost'],
        'acks of one, two, two, one',
      );
      lab.check.equal(
        await verdicts(transport, held, { action: 'ack' }),
        held.map(() => 'lease-lost'),
        'all once more',
      );
      await holds(lab, transport, 'work', { ready: 0, leased: 1 });
      if (three !== undefined) await lab.ack(transport, [three]);
      const { totals } = await queueInfo(transport, 'work');
      lab.check.equal(totals.done, 3, 'messages done');
    },
  },
  {
    id: 'A5',
    group,
    title: 'a receipt settles once: the first settlement holds, later ones are `lease-lost`',
    level: 'MUST',
    rules: ['RQ3'],
    async run(lab) {
      const transport = await lab.transport();
      const actions = ['ack', 'retry', 'reject', 'release'] as const;
      for (const first of actions) {
        await lab.send(transport, first, lab.messages(1));
        const held = [await receiveOne(lab, transport, first)];
        await settle(lab, transport, held, { action: first });
        for (const second of [...actions, 'extend'] as const) {
          const statuses = await verdicts(transport, held, { action: second });
          lab.check.equal(statuses, ['lease-lost'], `${second} after ${first}`);
        }
      }
      await holds(lab, transport, 'ack', { ready: 0, delayed: 0, leased: 0, dead: 0 });
      await holds(lab, transport, 'retry', { ready: 1, delayed: 0, leased: 0, dead: 0 });
      await holds(lab, transport, 'reject', { ready: 0, delayed: 0, leased: 0, dead: 1 });
      await holds(lab, transport, 'release', { ready: 1, delayed: 0, leased: 0, dead: 0 });
      const held = await receiveOne(lab, transport, 'retry');
      lab.check.equal(held.attempt, 2, 'attempt after the retry');
      lab.check.equal((await receiveOne(lab, transport, 'release')).attempt, 1, 'attempt after the release');
      await transport.admin.deleteQueue('retry');
      lab.check.equal(await verdicts(transport, [held], { action: 'ack' }), ['lease-lost'], 'in a deleted queue');
    },
  },
  {
    id: 'A16',
    group,
    title: 'settlements of a batch take effect one by one: a lost lease affects no other settlement',
    level: 'MUST',
    rules: ['RD2', 'RQ3'],
    async run(lab) {
      const transport = await lab.transport();
      await lab.send(transport, 'work', lab.messages(7));
      const held = await lab.receive(transport, 'work', 7);
      await lab.ack(transport, held.slice(6));
      const actions = ['ack', 'retry', 'reject', 'ack', 'release', 'extend', 'retry'] as const;
      const results = await transport.queues.settle(
        held.map(({ receipt }, at): Settlement => ({ receipt, action: actions[at] ?? 'ack' })),
      );
      lab.check.equal(
        results.map(({ receipt }) => receipt),
        held.map(({ receipt }) => receipt),
        'results in order',
      );
      const statuses = results.map(({ status }) => status);
      lab.check.equal(statuses, ['done', 'done', 'done', 'done', 'done', 'done', 'lease-lost'], 'statuses');
      await holds(lab, transport, 'work', { ready: 2, delayed: 0, leased: 1, dead: 1 });
      const back = await lab.receive(transport, 'work', 2);
      const attempts = back.map((one) => `${lab.text(one)} ${one.attempt}`);
      lab.check.equal(attempts.sort(), ['m1 2', 'm4 1'], 'redelivered messages');
      const { totals } = await queueInfo(transport, 'work');
      lab.check.equal(totals, { sent: 7, done: 3, dead: 1, expired: 0 }, 'totals');
    },
  },
];
