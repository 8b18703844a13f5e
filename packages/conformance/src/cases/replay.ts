/** Replay: reading a log from any position, and resuming. */

import type { From, Subscription, TopicEvent, Transport } from '@busbar/api/transport';
import type { ConformanceCase } from '../case.ts';
import type { Lab } from '../context/test-context.ts';
import { consume, idsOf, reached, settle, texts } from '../steps/consuming.ts';
import { follow, publish, publishTexts } from '../steps/event-log.ts';

const group = 'Replay/offset';

export const cases: readonly ConformanceCase[] = [
  {
    id: 'Y1',
    group,
    title: 'a log can be read from its start, after a position, from a time, or from new events on',
    level: 'MUST',
    rules: ['RT3'],
    smoke: true,
    async run(lab) {
      const [publisher, reader] = [await lab.transport(), await lab.open()];
      const early = await publish(lab, publisher, 'news', lab.messages(6, {}, 'early'));
      const gapMs = 25 + 2 * lab.capabilities.granularityMs;
      await reached(lab, performance.now() + gapMs);
      const time = Date.now();
      await reached(lab, performance.now() + gapMs);
      await publishTexts(lab, publisher, 'news', 4, 'late');
      const after = (at: number): From => ({ after: early[at]?.position ?? '' });
      const froms: From[] = ['start', after(0), after(3), after(5), { time }, { time: 0 }, 'new'];
      const logs = await Promise.all(froms.map((from) => follow(lab, reader, 'news', { from })));
      await publishTexts(lab, publisher, 'news', 1, 'next');
      const all = [...texts(lab, lab.messages(6, {}, 'early')), 'late0', 'late1', 'late2', 'late3', 'next0'];
      const expected = [all, all.slice(1), all.slice(4), all.slice(6), all.slice(6), all, ['next0']];
      for (const [at, log] of logs.entries()) {
        await log.has(expected[at] ?? [], `events from ${JSON.stringify(froms[at])}`);
      }
      lab.check.equal(await reader.admin.topics(), [{ name: 'news', events: 11 }], 'topics and their events');
    },
  },
  {
    id: 'Y2',
    group,
    title: 'there is no gap and no duplicate between history and live events while events are published',
    level: 'MUST',
    rules: ['RT3', 'RT5'],
    smoke: true,
    async run(lab) {
      const [publisher, reader] = [await lab.transport(), await lab.open()];
      const history = await publishTexts(lab, publisher, 'news', 300, 'h');
      const logs: Promise<Awaited<ReturnType<typeof follow>>>[] = [];
      const live: string[] = [];
      for (let round = 0; round < 60; round += 1) {
        const calls = publishTexts(lab, publisher, 'news', 5, `${round}.`);
        if (round % 10 === 3) logs.push(follow(lab, reader, 'news', { from: 'start', max: 1 + round }));
        if (round === 25) await reader.topics.bind('bound', 'news', { from: 'start' });
        live.push(...(await calls));
      }
      for (const log of logs) await (await log).has([...history, ...live], 'events of a reader that joined on the way');
      const queued = texts(lab, await consume(lab, reader, 'bound', 600));
      lab.check.equal(queued.sort(), [...history, ...live].sort(), 'events of the queue that was bound on the way');
      await lab.nothing(reader, 'bound', 100);
    },
  },
  {
    id: 'Y3',
    group,
    title: 'each reader has its own position: a reader that is slow, stops or resumes does not move another',
    level: 'MUST',
    rules: ['RT3', 'RT5'],
    async run(lab) {
      const [publisher, client] = [await lab.transport(), await lab.open()];
      const early = await publishTexts(lab, publisher, 'news', 20, 'early');
      for (const queue of ['one', 'two']) await publisher.topics.bind(queue, 'news', { from: 'start' });
      const whole = await follow(lab, client, 'news', { from: 'start' });
      const stopped = await readSome(lab, client, 'start', 7);
      await consume(lab, client, 'one', 20);
      const late = await publishTexts(lab, publisher, 'news', 20, 'late');
      await whole.has([...early, ...late], 'the reader that reads all');
      const rest = await follow(lab, publisher, 'news', { from: { after: stopped.position ?? '' } });
      await rest.has([...early.slice(7), ...late], 'the resuming reader');
      lab.check.equal(stopped.texts, early.slice(0, 7), 'events read before');
      lab.check.equal(texts(lab, await consume(lab, client, 'one', 20)), late, 'the queue that was read');
      lab.check.equal(texts(lab, await consume(lab, client, 'two', 40)), [...early, ...late], 'the queue that was not');
    },
  },
  {
    id: 'Y4',
    group,
    title: "a reader's position only moves forward, whatever the order in which it is confirmed",
    level: 'MUST',
    rules: ['RT3', 'RQ1'],
    shows: ['comparablePositions'],
    async run(lab) {
      const [publisher, client] = [await lab.transport(), await lab.open()];
      await publisher.topics.bind('group', 'news');
      const results = await publish(lab, publisher, 'news', lab.messages(12));
      const order = results.map(({ position }) => position ?? '');
      const places = await placesOf(lab, client, order.length);
      lab.check.equal(places, order, 'places after each event');
      if (lab.capabilities.features.comparablePositions) {
        lab.check.equal([...order].sort(), order, 'positions, compared as strings');
      }
      await assertFresh(lab, client);
      const held = await lab.receive(client, 'group', 12);
      for (const at of [9, 2, 5]) await settle(lab, client, held.slice(at, at + 1), { action: 'ack' });
      const late = held.filter((_, at) => ![9, 2, 5].includes(at));
      await settle(lab, client, late.reverse(), { action: 'release' });
      const rest = await consume(lab, await lab.open(), 'group', 9);
      const wanted = lab.messages(12).filter((_, at) => ![9, 2, 5].includes(at));
      lab.check.equal(texts(lab, rest).sort(), texts(lab, wanted).sort(), 'remaining events of the group');
      await lab.nothing(client, 'group', 50);
    },
  },
  {
    id: 'Y6',
    group,
    title: 'all readers see the same event at each position, in the same order',
    level: 'MUST',
    rules: ['RT3', 'RT1'],
    async run(lab) {
      const clients = [await lab.transport(), await lab.open(), await lab.open()];
      const live = await Promise.all(clients.map((client) => follow(lab, client, 'news')));
      const writers = clients.map(async (client, at) => {
        const results = [];
        for (let round = 0; round < 20; round += 1) {
          results.push(...(await publish(lab, client, 'news', lab.messages(3, {}, `${at}.${round}.`))));
        }
        return results;
      });
      const results = (await Promise.all(writers)).flat();
      if (lab.powers.has('processes')) results.push(...(await (await lab.process()).publish('news', lab.messages(5))));
      const late = await Promise.all(clients.map((client) => follow(lab, client, 'news', { from: 'start', max: 7 })));
      for (const log of [...live, ...late]) await lab.until('all events', () => log.events.length >= results.length);
      const [first, ...others] = [...live, ...late].map(({ events }) =>
        events.map(({ id, position }) => `${id} ${position}`),
      );
      for (const other of others) lab.check.equal(other, first, 'events and positions of two readers');
      const told = results.slice(0, 180).map((result) => `${result.id} ${'position' in result ? result.position : ''}`);
      lab.check.equal(
        told.filter((one) => !first?.includes(one)),
        [],
        'positions in the results of the publishers',
      );
      lab.check.equal(new Set(live[0]?.events.map(({ position }) => position)).size, results.length, 'positions');
    },
  },
  {
    id: 'Y7',
    group,
    title: 'reading the history again does not move a group',
    level: 'MUST',
    rules: ['RT3', 'RT5'],
    async run(lab) {
      const [publisher, member] = [await lab.transport(), await lab.open()];
      await publisher.topics.bind('group', 'news');
      const sent = await publishTexts(lab, publisher, 'news', 20);
      await consume(lab, member, 'group', 12, 5);
      const log = await follow(lab, member, 'news', { from: 'start' });
      await log.has(sent, 'the history');
      await publisher.topics.bind('replayed', 'news', { from: 'start' });
      await publisher.topics.bind('group', 'news', { from: 'start' });
      lab.check.equal(texts(lab, await consume(lab, member, 'replayed', 20)), sent, 'the history in a queue');
      lab.check.equal(
        texts(lab, await consume(lab, member, 'group', 8)),
        sent.slice(12),
        'remaining events of the group',
      );
      await lab.nothing(member, 'group', 100);
      const late = await publishTexts(lab, publisher, 'news', 2, 'late');
      lab.check.equal(texts(lab, await consume(lab, member, 'group', 2)), late, 'next events of the group');
    },
  },
  {
    id: 'Y8',
    group,
    title: 'a reader that fails after handling and before confirming gets exactly the same events again',
    level: 'MUST',
    rules: ['RT1', 'RT3'],
    async run(lab) {
      const [publisher, client] = [await lab.transport(), await lab.open()];
      const results = await publish(lab, publisher, 'news', lab.messages(20));
      const seen: TopicEvent[] = [];
      const failing = await client.topics.subscribe('news', { from: 'start', max: 4 }, (events) => {
        seen.push(...events);
        if (seen.length > 9) throw new Error('crashed after handling');
      });
      const error = await failing.ended;
      lab.check.equal([error?.code, error?.message], ['INTERNAL', 'crashed after handling'], 'error of the end');
      const handled = idsOf(results).indexOf(seen.at(-1)?.id ?? '') + 1;
      const stands = results.findIndex(({ position }) => position === failing.position) + 1;
      lab.check.between(stands, handled - 4, handled - 1, 'where it stands is before the batch that failed');
      const rest = await follow(lab, await lab.open(), 'news', { from: { after: failing.position ?? '' } });
      await rest.has(texts(lab, lab.messages(20)).slice(stands), 'redelivered and remaining events');
    },
  },
];

/** The events a reader got before its close, and its position. */
interface Read {
  readonly texts: readonly string[];
  readonly position: string | undefined;
}

/** Reads `count` events one at a time and closes. */
async function readSome(lab: Lab, client: Transport, from: From, count: number): Promise<Read> {
  const read: string[] = [];
  const over = Promise.withResolvers<void>();
  const subscription: Subscription = await client.topics.subscribe('news', { from, max: 1 }, (events) => {
    read.push(...texts(lab, events));
    if (read.length < count) return;
    over.resolve();
    void subscription.close();
  });
  await over.promise;
  await subscription.close();
  return { texts: read, position: subscription.position };
}

/** A subscription without events has a position before the next event, if it has one. */
async function assertFresh(lab: Lab, client: Transport): Promise<void> {
  const { subscription } = await follow(lab, client, 'other');
  const { position } = subscription;
  await subscription.close();
  const sent = await publishTexts(lab, client, 'other', 2);
  if (position === undefined) return;
  const log = await follow(lab, client, 'other', { from: { after: position } });
  await log.has(sent, 'events after the position of a subscription without events');
}

/** Returns the positions of a subscription after each of `count` events. */
async function placesOf(lab: Lab, client: Transport, count: number): Promise<(string | undefined)[]> {
  const places: (string | undefined)[] = [];
  let began = 0;
  const subscription: Subscription = await client.topics.subscribe('news', { from: 'start', max: 1 }, () => {
    if (began > 0) places.push(subscription.position);
    began += 1;
  });
  await lab.until('all events are handled', () => began === count);
  await new Promise(setImmediate);
  await subscription.close();
  return [...places, subscription.position];
}
