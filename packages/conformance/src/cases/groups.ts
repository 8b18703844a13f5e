/** Queue groups: bound queues shared by a changing set of members. */

import { type ConformanceCase, defineCases } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import { assertDeliveredOnce, consume, idsOf, settle, shareWork, texts } from '../steps/consuming.ts';
import { follow, publish, publishTexts } from '../steps/event-log.ts';
import { assertCounts, queueInfo } from '../steps/queue-view.ts';

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Queue groups' }, [
  {
    id: 'G1',
    title: 'every group gets every event, in order, independently of the other groups',
    rules: ['RT5'],
    smoke: true,
    async run(test, publisher) {
      const groups = ['billing', 'audit', 'search'];
      for (const name of groups) await publisher.topics.bind(name, 'order.*');
      const sent = await publishTexts(test, publisher, 'order.placed', 40);
      const member = await test.open();
      const got = [texts(test, await consume(test, member, 'billing', 40))];
      await assertCounts(test, publisher, 'audit', { ready: 40, leased: 0 });
      for (const name of groups.slice(1)) got.push(texts(test, await consume(test, await test.open(), name, 40, 7)));
      test.check.equal(got, [sent, sent, sent], 'events of each group');
      for (const name of groups) await test.nothing(member, name, 30);
    },
  },
  {
    id: 'G2',
    title: 'within a group each event goes to one member',
    rules: ['RT5', 'RQ2'],
    smoke: true,
    async run(test, publisher) {
      await publisher.topics.bind('billing', 'order.placed');
      const members = [publisher, await test.open(), await test.open(), await test.open()];
      const sharing = shareWork(test, members, 'billing', 200);
      const results = [];
      for (let round = 0; round < 20; round += 1) {
        results.push(...(await publish(test, publisher, 'order.placed', test.messages(10))));
      }
      const counts = await sharing;
      const handled = counts.reduce((sum, count) => sum + count, 0);
      test.check.equal(handled, 200, 'events handled by all members together');
      await test.nothing(publisher, 'billing', 100);
      assertDeliveredOnce(test, idsOf(results));
    },
  },
  {
    id: 'G3',
    title: 'a group and plain subscribers of the same topic do not affect each other',
    rules: ['RT1', 'RT5'],
    async run(test) {
      const [publisher, client] = [await test.transport(), await test.open()];
      const before = await follow(test, client, 'order.placed');
      await publisher.topics.bind('billing', 'order.placed');
      const after = await follow(test, publisher, 'order.*');
      const members = [client, await test.open()];
      const [, sent] = await Promise.all([
        shareWork(test, members, 'billing', 60),
        publish(test, publisher, 'order.placed', test.messages(60)),
      ]);
      for (const log of [before, after]) await log.has(texts(test, test.messages(60)), 'events of a plain subscriber');
      assertDeliveredOnce(test, idsOf(sent));
      await before.subscription.close();
      const rest = await publishTexts(test, publisher, 'order.placed', 5, 'rest');
      const later = texts(test, await consume(test, client, 'billing', 5));
      // A receive of a member that ended just before may have had one, and returned it.
      if (!test.capabilities.features.retryKeepsPlace) later.sort();
      test.check.equal(later, rest, 'events of the group afterwards');
    },
  },
  {
    id: 'G4',
    title: 'when a member leaves or is killed, the others get its messages, and none is lost',
    rules: ['RQ1', 'RQ2', 'RT5'],
    harnessFeatures: ['processes'],
    async run(test, publisher) {
      await publisher.queues.configure('billing', { leaseMs: 500 });
      await publisher.topics.bind('billing', 'order.placed');
      const sent = await publish(test, publisher, 'order.placed', test.messages(20));
      const [killed, leaving] = [await test.process(), await test.open()];
      const heldByKilled = await killed.receive('billing', { max: 5, waitMs: 5_000 });
      await killed.kill();
      const heldByLeaving = await test.receive(leaving, 'billing', 5);
      await leaving.close();
      const got = await consume(test, publisher, 'billing', 20);
      test.check.equal(idsOf(got).sort(), idsOf(sent).sort(), 'events of the remaining member');
      const attemptOf = new Map(got.map(({ id, attempt }) => [id, attempt]));
      const attempts = [heldByKilled, heldByLeaving].map((held) => [
        ...new Set(held.map(({ id }) => attemptOf.get(id))),
      ]);
      test.check.equal(attempts, [[2], [1]], 'attempts of events held by the killed and the leaving member');
      await test.nothing(publisher, 'billing', test.beyond(600));
    },
  },
  {
    id: 'G5',
    title: 'waiting members get one event each: no member is idle while another has two',
    rules: ['RQ8', 'RT5'],
    async run(test, publisher) {
      await publisher.topics.bind('billing', 'order.placed');
      const members = [publisher, await test.open(), await test.open(), await test.open()];
      const waits = members.map((member) => member.queues.receive('billing', { waitMs: 10_000 }));
      await publish(test, publisher, 'order.placed', test.messages(4));
      const got = await Promise.all(waits);
      test.check.mapped(got, (own) => own.length, [1, 1, 1, 1], 'events of each member');
      test.check.equal(texts(test, got.flat()).sort(), ['m0', 'm1', 'm2', 'm3'], 'events of all members');
      await Promise.all(got.map((own, index) => test.ack(members[index] ?? publisher, own)));
      await assertCounts(test, publisher, 'billing', { ready: 0, leased: 0 });
    },
  },
  {
    id: 'G6',
    title: 'a slow member holds only what it requested',
    rules: ['RQ8'],
    async run(test, publisher) {
      await publisher.topics.bind('billing', 'order.placed');
      const [slow, quick] = [await test.open(), await test.open()];
      const further = slow.queues.receive('billing', { max: 2, waitMs: 10_000 });
      const sent = await publishTexts(test, publisher, 'order.placed', 20);
      const held = await further;
      held.push(...(await test.receive(slow, 'billing', 2 - held.length)));
      await assertCounts(test, publisher, 'billing', { ready: 18, leased: 2 });
      const began = performance.now();
      const rest = await consume(test, quick, 'billing', 18);
      test.check.between(performance.now() - began, 0, 3_000, 'duration of the fast subscriber');
      test.check.equal([...texts(test, held), ...texts(test, rest)].sort(), [...sent].sort(), 'events of both members');
      await settle(test, slow, held, { action: 'ack' });
      await assertCounts(test, publisher, 'billing', { ready: 0, leased: 0 });
    },
  },
  {
    id: 'G7',
    title: 'a group without members resumes exactly where its last member stopped',
    rules: ['RT5', 'RQ1'],
    async run(test, publisher) {
      await publisher.topics.bind('billing', 'order.placed');
      const early = await publishTexts(test, publisher, 'order.placed', 20, 'early');
      const [one, two] = [await test.open(), await test.open()];
      const done = [...(await consume(test, one, 'billing', 6, 3)), ...(await consume(test, two, 'billing', 4, 2))];
      await test.receive(one, 'billing', 3);
      await Promise.all([one.close(), two.close()]);
      const late = await publishTexts(test, publisher, 'order.placed', 10, 'late');
      const rest = await consume(test, await test.open(), 'billing', 20, 9);
      const all = [...texts(test, done), ...texts(test, rest)].sort();
      test.check.equal(all, [...early, ...late].sort(), 'all events, once');
      test.check.equal(fresh(test, rest), [...early.slice(13), ...late], 'order of events without a previous holder');
      await test.nothing(publisher, 'billing', 100);
      const { totals } = await queueInfo(publisher, 'billing');
      test.check.equal(totals, { sent: 30, done: 30, dead: 0, expired: 0 }, 'totals of the group');
    },
  },
]);

/** Removes the bodies held by the member that left, because their place depends on a declared feature. */
function fresh(test: TestContext, deliveries: Awaited<ReturnType<typeof consume>>): string[] {
  const held = new Set(['early10', 'early11', 'early12']);
  return texts(test, deliveries).filter((text) => !held.has(text));
}
