/** Replay: reading a log from any position, resuming, and binding a queue to its history. */

import type { From, TopicEvent, TopicSubscription, Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import { consume, idsOf, settle, texts, waitUntil } from '../steps/consuming.ts';
import { follow, publish, publishTexts } from '../steps/event-log.ts';

const TOPICS = ['a.x', 'a.y', 'b.x', 'b.y'];

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Replay/offset' }, [
  {
    id: 'Y1',
    title: 'a log can be read from its start, after a position, from a time, or from new events on',
    rules: ['RT3'],
    smoke: true,
    async run(test) {
      const [publisher, reader] = [await test.transport(), await test.open()];
      const early = await publish(test, publisher, 'news', test.messages(6, {}, 'early'));
      const gapMs = 25 + 2 * test.capabilities.granularityMs;
      await waitUntil(test, performance.now() + gapMs);
      const time = Date.now();
      await waitUntil(test, performance.now() + gapMs);
      await publishTexts(test, publisher, 'news', 4, 'late');
      const after = (at: number): From => ({ after: early[at]?.position ?? '' });
      const froms: From[] = ['start', after(0), after(3), after(5), { time }, { time: 0 }, 'new'];
      const logs = await Promise.all(froms.map((from) => follow(test, reader, 'news', { from })));
      await publishTexts(test, publisher, 'news', 1, 'next');
      const all = [...texts(test, test.messages(6, {}, 'early')), 'late0', 'late1', 'late2', 'late3', 'next0'];
      const expected = [all, all.slice(1), all.slice(4), all.slice(6), all.slice(6), all, ['next0']];
      for (const [at, log] of logs.entries()) {
        await log.has(expected[at] ?? [], `events from ${JSON.stringify(froms[at])}`);
      }
      test.check.equal(await reader.admin.topics(), [{ name: 'news', events: 11 }], 'topics and their events');
    },
  },
  {
    id: 'Y2',
    title: 'there is no gap and no duplicate between history and live events while events are published',
    rules: ['RT3', 'RT5'],
    smoke: true,
    async run(test) {
      const [publisher, reader] = [await test.transport(), await test.open()];
      const history = await publishTexts(test, publisher, 'news', 300, 'h');
      const logs: Promise<Awaited<ReturnType<typeof follow>>>[] = [];
      const live: string[] = [];
      for (let round = 0; round < 60; round += 1) {
        const calls = publishTexts(test, publisher, 'news', 5, `${round}.`);
        if (round % 10 === 3) logs.push(follow(test, reader, 'news', { from: 'start', max: 1 + round }));
        if (round === 25) await reader.topics.bind('bound', 'news', { from: 'start' });
        live.push(...(await calls));
      }
      for (const log of logs) await (await log).has([...history, ...live], 'events of a reader that joined meanwhile');
      const queued = texts(test, await consume(test, reader, 'bound', 600));
      test.check.equal(queued.sort(), [...history, ...live].sort(), 'events of the queue bound meanwhile');
      await test.nothing(reader, 'bound', 100);
    },
  },
  {
    id: 'Y3',
    title: 'each reader has its own position: a reader that is slow, stops or resumes does not move another',
    rules: ['RT3', 'RT5'],
    async run(test) {
      const [publisher, client] = [await test.transport(), await test.open()];
      const early = await publishTexts(test, publisher, 'news', 20, 'early');
      for (const queue of ['one', 'two']) await publisher.topics.bind(queue, 'news', { from: 'start' });
      const whole = await follow(test, client, 'news', { from: 'start' });
      const stopped = await readSome(test, client, 'start', 7);
      await consume(test, client, 'one', 20);
      const late = await publishTexts(test, publisher, 'news', 20, 'late');
      await whole.has([...early, ...late], 'the reader that reads all');
      const rest = await follow(test, publisher, 'news', { from: { after: stopped.position ?? '' } });
      await rest.has([...early.slice(7), ...late], 'the resuming reader');
      test.check.equal(stopped.texts, early.slice(0, 7), 'events read before');
      test.check.equal(texts(test, await consume(test, client, 'one', 20)), late, 'the queue that was read');
      const unread = texts(test, await consume(test, client, 'two', 40));
      test.check.equal(unread, [...early, ...late], 'the queue that was not read');
    },
  },
  {
    id: 'Y4',
    title: "a reader's position only moves forward, whatever the order in which it is confirmed",
    rules: ['RT3', 'RQ1'],
    shows: ['comparablePositions'],
    async run(test) {
      const [publisher, client] = [await test.transport(), await test.open()];
      await publisher.topics.bind('group', 'news');
      const results = await publish(test, publisher, 'news', test.messages(12));
      const order = results.map(({ position }) => position ?? '');
      const places = await placesOf(test, client, order.length);
      test.check.equal(places.slice(0, -1), order.slice(0, -1), 'places after each event but the last');
      if (test.capabilities.features.comparablePositions) {
        test.check.equal([...order].sort(), order, 'positions, compared as strings');
        // Events of others move a reader that waits.
        test.check.ok((places.at(-1) ?? '') >= (order.at(-1) ?? ''), 'the last place is at least the last event');
      } else test.check.equal(places.at(-1), order.at(-1), 'the last place');
      await assertFresh(test, client);
      const held = await test.receive(client, 'group', 12);
      for (const at of [9, 2, 5]) await settle(test, client, held.slice(at, at + 1), { action: 'ack' });
      const late = held.filter((_, at) => ![9, 2, 5].includes(at));
      await settle(test, client, late.reverse(), { action: 'release' });
      const rest = await consume(test, await test.open(), 'group', 9);
      const wanted = test.messages(12).filter((_, at) => ![9, 2, 5].includes(at));
      test.check.equal(texts(test, rest).sort(), texts(test, wanted).sort(), 'remaining events of the group');
      await test.nothing(client, 'group', 50);
    },
  },
  {
    id: 'Y6',
    title: 'all readers see the same event at each position, in the same order',
    rules: ['RT3', 'RT1'],
    async run(test) {
      const clients = [await test.transport(), await test.open(), await test.open()];
      const live = await Promise.all(clients.map((client) => follow(test, client, 'news')));
      const writers = clients.map(async (client, at) => {
        const results = [];
        for (let round = 0; round < 20; round += 1) {
          results.push(...(await publish(test, client, 'news', test.messages(3, {}, `${at}.${round}.`))));
        }
        return results;
      });
      const results = (await Promise.all(writers)).flat();
      if (test.harnessFeatures.has('processes'))
        results.push(...(await (await test.process()).publish('news', test.messages(5))));
      const late = await Promise.all(clients.map((client) => follow(test, client, 'news', { from: 'start', max: 7 })));
      for (const log of [...live, ...late]) await test.until('all events', () => log.events.length >= results.length);
      const [first, ...others] = [...live, ...late].map(({ events }) =>
        events.map(({ id, position }) => `${id} ${position}`),
      );
      for (const other of others) test.check.equal(other, first, 'events and positions of two readers');
      const told = results.slice(0, 180).map((result) => `${result.id} ${'position' in result ? result.position : ''}`);
      const unseen = told.filter((one) => !first?.includes(one));
      test.check.equal(unseen, [], 'positions in the results of the publishers');
      test.check.equal(new Set(live[0]?.events.map(({ position }) => position)).size, results.length, 'positions');
    },
  },
  {
    id: 'Y7',
    title: 'reading the history again does not move a group',
    rules: ['RT3', 'RT5'],
    async run(test) {
      const [publisher, member] = [await test.transport(), await test.open()];
      await publisher.topics.bind('group', 'news');
      const sent = await publishTexts(test, publisher, 'news', 20);
      await consume(test, member, 'group', 12, 5);
      const log = await follow(test, member, 'news', { from: 'start' });
      await log.has(sent, 'the history');
      await publisher.topics.bind('replayed', 'news', { from: 'start' });
      await publisher.topics.bind('group', 'news', { from: 'start' });
      test.check.equal(texts(test, await consume(test, member, 'replayed', 20)), sent, 'the history in a queue');
      const rest = texts(test, await consume(test, member, 'group', 8));
      test.check.equal(rest, sent.slice(12), 'remaining events of the group');
      await test.nothing(member, 'group', 100);
      const late = await publishTexts(test, publisher, 'news', 2, 'late');
      test.check.equal(texts(test, await consume(test, member, 'group', 2)), late, 'next events of the group');
    },
  },
  {
    id: 'Y8',
    title: 'a reader that fails after handling and before confirming gets exactly the same events again',
    rules: ['RT1', 'RT3'],
    async run(test) {
      const [publisher, client] = [await test.transport(), await test.open()];
      const results = await publish(test, publisher, 'news', test.messages(20));
      const seen: TopicEvent[] = [];
      const failing = await client.topics.subscribe('news', { from: 'start', max: 4 }, (events) => {
        seen.push(...events);
        if (seen.length > 9) throw new Error('crashed after handling');
      });
      const error = await failing.ended;
      test.check.equal([error?.code, error?.message], ['INTERNAL', 'crashed after handling'], 'error of the end');
      const handled = idsOf(results).indexOf(seen.at(-1)?.id ?? '') + 1;
      const stands = results.findIndex(({ position }) => position === failing.position) + 1;
      test.check.between(stands, handled - 4, handled - 1, 'its position is before the failed batch');
      const rest = await follow(test, await test.open(), 'news', { from: { after: failing.position ?? '' } });
      await rest.has(texts(test, test.messages(20)).slice(stands), 'redelivered and remaining events');
    },
  },
  {
    id: 'Y9',
    title: 'a binding from the start adds the history that an overlapping binding has not added, each event once',
    rules: ['RT5', 'RT3'],
    async run(test) {
      const [publisher, member] = [await test.transport(), await test.open()];
      await publishAll(test, publisher, 'before');
      await publisher.topics.bind('work', 'a.*');
      await publishAll(test, publisher, 'handled');
      const handled = await consume(test, member, 'work', 2);
      test.check.equal(texts(test, handled), ['handled a.x', 'handled a.y'], 'events of the first binding');
      await publishAll(test, publisher, 'waiting');
      const live = Array.from({ length: 20 }, (_, round) => `live ${round}`);
      const publishing = (async () => {
        for (const prefix of live) await publishAll(test, publisher, prefix);
      })();
      await member.topics.bind('work', '*.y', { from: 'start' });
      await publishing;
      await publishAll(test, publisher, 'after');
      const both = ['waiting', ...live, 'after'].flatMap((prefix) => [
        `${prefix} a.x`,
        `${prefix} a.y`,
        `${prefix} b.y`,
      ]);
      const expected = ['before a.y', 'before b.y', 'handled b.y', ...both];
      const got = texts(test, await consume(test, member, 'work', expected.length));
      test.check.equal(got.sort(), expected.sort(), 'events of both bindings');
      await test.nothing(member, 'work', 100);
      await publisher.topics.unbind('work', 'a.*');
      await publishAll(test, publisher, 'unbound');
      const rest = texts(test, await consume(test, member, 'work', 2));
      test.check.equal(rest, ['unbound a.y', 'unbound b.y'], 'events of the remaining binding');
      await test.nothing(member, 'work', 50);
    },
  },
  {
    id: 'Y11',
    title: 'the history for a new binding comes behind the messages of its queue, in order, and before later events',
    rules: ['RT5', 'RT2', 'RQ4'],
    async run(test) {
      const [publisher, member] = [await test.transport(), await test.open()];
      const history = test.messages(300, {}, 'history');
      await publisher.topics.publish('news', history);
      const waiting = test.messages(2, {}, 'waiting');
      await test.send(publisher, 'work', waiting);
      await member.topics.bind('work', 'news', { from: 'start' });
      const later = test.messages(20, {}, 'later');
      for (const event of later) await publisher.topics.publish('news', [event]);
      const expected = [...waiting, ...history, ...later].map((message) => test.text(message));
      test.check.equal(texts(test, await consume(test, member, 'work', expected.length)), expected, 'in order');
    },
  },
]);

/** The events a reader got before its close, and its position. */
interface Read {
  readonly texts: readonly string[];
  readonly position: string | undefined;
}

/** Reads `count` events one at a time and closes. */
async function readSome(test: TestContext, client: Transport, from: From, count: number): Promise<Read> {
  const read: string[] = [];
  const over = Promise.withResolvers<void>();
  const subscription: TopicSubscription = await client.topics.subscribe('news', { from, max: 1 }, (events) => {
    read.push(...texts(test, events));
    if (read.length < count) return;
    over.resolve();
    void subscription.close();
  });
  await over.promise;
  await subscription.close();
  return { texts: read, position: subscription.position };
}

/** A subscription without events has a position before the next event, if it has one. */
async function assertFresh(test: TestContext, client: Transport): Promise<void> {
  const { subscription } = await follow(test, client, 'other');
  const { position } = subscription;
  await subscription.close();
  const sent = await publishTexts(test, client, 'other', 2);
  if (position === undefined) return;
  const log = await follow(test, client, 'other', { from: { after: position } });
  await log.has(sent, 'events after the position of a subscription without events');
}

/** Returns the positions of a subscription after each of `count` events. */
async function placesOf(test: TestContext, client: Transport, count: number): Promise<(string | undefined)[]> {
  const places: (string | undefined)[] = [];
  let began = 0;
  const subscription: TopicSubscription = await client.topics.subscribe('news', { from: 'start', max: 1 }, () => {
    if (began > 0) places.push(subscription.position);
    began += 1;
  });
  await test.until('all events are handled', () => began === count);
  await new Promise(setImmediate);
  await subscription.close();
  return [...places, subscription.position];
}

/** Publishes one event on each topic. Its body is the prefix and the topic. */
async function publishAll(test: TestContext, publisher: Transport, prefix: string): Promise<void> {
  for (const topic of TOPICS) await publish(test, publisher, topic, [{ body: Buffer.from(`${prefix} ${topic}`) }]);
}
