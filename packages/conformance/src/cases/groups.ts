/** Queue groups: bound queues shared by a changing set of members. */

import type { ConformanceCase } from '../case.ts';
import type { Lab } from '../context/test-context.ts';
import { consume, idsOf, onceEach, settle, share, texts } from '../steps/consuming.ts';
import { follow, publish, publishTexts } from '../steps/event-log.ts';
import { holds, queueInfo } from '../steps/queue-view.ts';

const group = 'Queue groups';

export const cases: readonly ConformanceCase[] = [
  {
    id: 'G1',
    group,
    title: 'every group gets every event, in order, independently of the other groups',
    level: 'MUST',
    rules: ['RT5'],
    smoke: true,
    async run(lab) {
      const publisher = await lab.transport();
      const groups = ['billing', 'audit', 'search'];
      for (const name of groups) await publisher.topics.bind(name, 'order.*');
      const sent = await publishTexts(lab, publisher, 'order.placed', 40);
      const member = await lab.open();
      const got = [texts(lab, await consume(lab, member, 'billing', 40))];
      await holds(lab, publisher, 'audit', { ready: 40, leased: 0 });
      for (const name of groups.slice(1)) got.push(texts(lab, await consume(lab, await lab.open(), name, 40, 7)));
      lab.check.equal(got, [sent, sent, sent], 'events of each group');
      for (const name of groups) await lab.nothing(member, name, 30);
    },
  },
  {
    id: 'G2',
    group,
    title: 'within a group each event goes to one member',
    level: 'MUST',
    rules: ['RT5', 'RQ2'],
    smoke: true,
    async run(lab) {
      const publisher = await lab.transport();
      await publisher.topics.bind('billing', 'order.placed');
      const members = [publisher, await lab.open(), await lab.open(), await lab.open()];
      const sharing = share(lab, members, 'billing', 200);
      const results = [];
      for (let round = 0; round < 20; round += 1) {
        results.push(...(await publish(lab, publisher, 'order.placed', lab.messages(10))));
      }
      const counts = await sharing;
      lab.check.equal(
        counts.reduce((sum, count) => sum + count, 0),
        200,
        'events handled by all members together',
      );
      await lab.nothing(publisher, 'billing', 100);
      onceEach(lab, idsOf(results));
    },
  },
  {
    id: 'G3',
    group,
    title: 'a group and plain subscribers of the same topic do not affect each other',
    level: 'MUST',
    rules: ['RT1', 'RT5'],
    async run(lab) {
      const [publisher, client] = [await lab.transport(), await lab.open()];
      const before = await follow(lab, client, 'order.placed');
      await publisher.topics.bind('billing', 'order.placed');
      const after = await follow(lab, publisher, 'order.*');
      const members = [client, await lab.open()];
      const [, sent] = await Promise.all([
        share(lab, members, 'billing', 60),
        publish(lab, publisher, 'order.placed', lab.messages(60)),
      ]);
      for (const log of [before, after]) await log.has(texts(lab, lab.messages(60)), 'events of a plain subscriber');
      onceEach(lab, idsOf(sent));
      await before.subscription.close();
      const rest = await publishTexts(lab, publisher, 'order.placed', 5, 'rest');
      lab.check.equal(texts(lab, await consume(lab, client, 'billing', 5)), rest, 'events of the group afterwards');
    },
  },
  {
    id: 'G4',
    group,
    title: 'when a member leaves or is killed, the others get its messages, and none is lost',
    level: 'MUST',
    rules: ['RQ1', 'RQ2', 'RT5'],
    powers: ['processes'],
    async run(lab) {
      const publisher = await lab.transport();
      await publisher.queues.configure('billing', { leaseMs: 500 });
      await publisher.topics.bind('billing', 'order.placed');
      const sent = await publish(lab, publisher, 'order.placed', lab.messages(20));
      const [killed, leaving] = [await lab.process(), await lab.open()];
      const heldByKilled = await killed.receive('billing', { max: 5, waitMs: 5_000 });
      await killed.kill();
      const heldByLeaving = await lab.receive(leaving, 'billing', 5);
      await leaving.close();
      const got = await consume(lab, publisher, 'billing', 20);
      lab.check.equal(idsOf(got).sort(), idsOf(sent).sort(), 'events of the remaining member');
      const attemptOf = new Map(got.map(({ id, attempt }) => [id, attempt]));
      const attempts = [heldByKilled, heldByLeaving].map((held) => [
        ...new Set(held.map(({ id }) => attemptOf.get(id))),
      ]);
      lab.check.equal(attempts, [[2], [1]], 'attempts of events held by the killed and the leaving member');
      await lab.nothing(publisher, 'billing', lab.beyond(600));
    },
  },
  {
    id: 'G5',
    group,
    title: 'waiting members get one event each: no member is idle while another has two',
    level: 'MUST',
    rules: ['RQ8', 'RT5'],
    async run(lab) {
      const publisher = await lab.transport();
      await publisher.topics.bind('billing', 'order.placed');
      const members = [publisher, await lab.open(), await lab.open(), await lab.open()];
      const waits = members.map((member) => member.queues.receive('billing', { waitMs: 10_000 }));
      await publish(lab, publisher, 'order.placed', lab.messages(4));
      const got = await Promise.all(waits);
      lab.check.equal(
        got.map((own) => own.length),
        [1, 1, 1, 1],
        'events of each member',
      );
      lab.check.equal(texts(lab, got.flat()).sort(), ['m0', 'm1', 'm2', 'm3'], 'events of all members');
      await Promise.all(got.map((own, index) => lab.ack(members[index] ?? publisher, own)));
      await holds(lab, publisher, 'billing', { ready: 0, leased: 0 });
    },
  },
  {
    id: 'G6',
    group,
    title: 'a slow member holds only what it requested',
    level: 'MUST',
    rules: ['RQ8'],
    async run(lab) {
      const publisher = await lab.transport();
      await publisher.topics.bind('billing', 'order.placed');
      const [slow, quick] = [await lab.open(), await lab.open()];
      const further = slow.queues.receive('billing', { max: 2, waitMs: 10_000 });
      const sent = await publishTexts(lab, publisher, 'order.placed', 20);
      const held = await further;
      held.push(...(await lab.receive(slow, 'billing', 2 - held.length)));
      await holds(lab, publisher, 'billing', { ready: 18, leased: 2 });
      const began = performance.now();
      const rest = await consume(lab, quick, 'billing', 18);
      lab.check.between(performance.now() - began, 0, 3_000, 'the time the quick one took');
      lab.check.equal([...texts(lab, held), ...texts(lab, rest)].sort(), [...sent].sort(), 'events of both members');
      await settle(lab, slow, held, { action: 'ack' });
      await holds(lab, publisher, 'billing', { ready: 0, leased: 0 });
    },
  },
  {
    id: 'G7',
    group,
    title: 'a group without members resumes exactly where its last member stopped',
    level: 'MUST',
    rules: ['RT5', 'RQ1'],
    async run(lab) {
      const publisher = await lab.transport();
      await publisher.topics.bind('billing', 'order.placed');
      const early = await publishTexts(lab, publisher, 'order.placed', 20, 'early');
      const [one, two] = [await lab.open(), await lab.open()];
      const done = [...(await consume(lab, one, 'billing', 6, 3)), ...(await consume(lab, two, 'billing', 4, 2))];
      await lab.receive(one, 'billing', 3);
      await Promise.all([one.close(), two.close()]);
      const late = await publishTexts(lab, publisher, 'order.placed', 10, 'late');
      const rest = await consume(lab, await lab.open(), 'billing', 20, 9);
      lab.check.equal(
        [...texts(lab, done), ...texts(lab, rest)].sort(),
        [...early, ...late].sort(),
        'all events, once',
      );
      lab.check.equal(fresh(lab, rest), [...early.slice(13), ...late], 'order of events without a previous holder');
      await lab.nothing(publisher, 'billing', 100);
      const { totals } = await queueInfo(publisher, 'billing');
      lab.check.equal(totals, { sent: 30, done: 30, dead: 0, expired: 0 }, 'totals of the group');
    },
  },
];

/** Removes the bodies held by the member that left, because their place depends on a declared feature. */
function fresh(lab: Lab, deliveries: Awaited<ReturnType<typeof consume>>): string[] {
  const held = new Set(['early10', 'early11', 'early12']);
  return texts(lab, deliveries).filter((text) => !held.has(text));
}
