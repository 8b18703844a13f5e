/** Publish and subscribe: which subscribers get an event, and from which moment on. */

import type { KvChange, TopicEvent, Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import { consume, fieldsOf, idsOf, ROUNDING_MS, texts } from '../steps/consuming.ts';
import { follow, publish, publishTexts } from '../steps/event-log.ts';

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Pub/sub' }, [
  {
    id: 'S1',
    title: 'every subscriber gets every event once, complete and in order',
    rules: ['RT1', 'RT5'],
    smoke: true,
    async run(test, publisher) {
      const clients = [publisher, publisher, await test.open(), await test.open()];
      const logs = await Promise.all(clients.map((client) => follow(test, client, 'user.login')));
      await publisher.topics.bind('audit', 'user.login');
      const fields = { headers: { trace: 'é' }, type: 'login', from: 'gate', correlationId: 'c', hops: 2 };
      const sent = test.messages(30, fields);
      const results = await publish(test, publisher, 'user.login', sent.slice(0, 7));
      for (const event of sent.slice(7)) results.push(...(await publish(test, publisher, 'user.login', [event])));
      for (const log of logs) {
        await log.has(texts(test, sent), 'events of a subscriber');
        test.check.equal(idsOf(log.events), idsOf(results), 'ids');
        test.check.equal(fieldsOf(log.events, 'position'), fieldsOf(results, 'position'), 'positions');
        for (const event of log.events) assertFields(test, event, { ...fields, topic: 'user.login' });
      }
      const queued = await consume(test, publisher, 'audit', 30);
      test.check.equal(texts(test, queued), texts(test, sent), 'events of the bound queue');
      test.check.every(queued, ({ topic }) => topic === 'user.login', 'a queued event has its topic');
    },
  },
  {
    id: 'S2',
    title: 'closing a subscription waits for its handler, and no event is delivered afterwards',
    rules: ['RT1', 'RA3'],
    async run(test) {
      const [publisher, client] = [await test.transport(), await test.open()];
      const gate = Promise.withResolvers<void>();
      const seen: string[] = [];
      const leaving = await client.topics.subscribe('news', { max: 1 }, async (events) => {
        seen.push(...texts(test, events));
        await gate.promise;
      });
      const staying = await follow(test, client, 'news');
      const before = await publishTexts(test, publisher, 'news', 3, 'before');
      await test.until('the handler is running', () => seen.length > 0);
      let isClosed = false;
      const closed = leaving.close().then(() => {
        isClosed = true;
      });
      await staying.has(before, 'events of the other subscriber');
      test.check.ok(!isClosed, 'close waits for the last call of the handler');
      gate.resolve();
      await closed;
      const after = await publishTexts(test, publisher, 'news', 3, 'after');
      await staying.has([...before, ...after], 'all events of the other subscriber');
      test.check.equal(seen, ['before0'], 'events of the closed subscription');
      test.check.equal(await leaving.ended, undefined, 'end of the subscription');
    },
  },
  {
    id: 'S3',
    title: 'a late subscriber from `new` gets only new events; one from `start` also gets the history',
    rules: ['RT3', 'RT1'],
    async run(test) {
      const [publisher, client] = [await test.transport(), await test.open()];
      const before = await publishTexts(test, publisher, 'news', 5, 'before');
      const fresh = await follow(test, client, 'news');
      const whole = await follow(test, client, 'news', { from: 'start' });
      const waiting = consume(test, client, 'whole', 10);
      await publisher.topics.bind('fresh', 'news');
      await publisher.topics.bind('whole', 'news', { from: 'start' });
      const after = await publishTexts(test, publisher, 'news', 5, 'after');
      await whole.has([...before, ...after], 'from start');
      await fresh.has(after, 'from new');
      test.check.equal(texts(test, await waiting), [...before, ...after], 'queue from start');
      test.check.equal(texts(test, await consume(test, client, 'fresh', 5)), after, 'queue from new');
      await test.nothing(client, 'fresh', 100);
    },
  },
  {
    id: 'S4',
    title: 'a bound queue collects events without a consumer, until it is unbound',
    rules: ['RT5', 'RD1'],
    smoke: true,
    async run(test) {
      const [publisher, binder] = [await test.transport(), await test.open()];
      await binder.topics.bind('mine', 'user.*');
      await binder.close();
      const login = await publishTexts(test, publisher, 'user.login', 10, 'in');
      const logout = await publishTexts(test, publisher, 'user.logout', 10, 'out');
      const consumer = await test.open();
      const got = texts(test, await consume(test, consumer, 'mine', 15, 4));
      await consumer.topics.unbind('mine', 'user.*');
      await publishTexts(test, publisher, 'user.login', 5, 'unseen');
      got.push(...texts(test, await consume(test, consumer, 'mine', 5, 4)));
      const of = (prefix: string): string[] => got.filter((text) => text.startsWith(prefix));
      test.check.equal(of('in'), login, 'events of the first topic');
      test.check.equal(of('out'), logout, 'events of the second topic');
      await test.nothing(consumer, 'mine', 100);
    },
  },
  {
    id: 'S11',
    title: 'binding twice changes nothing: no second copy, no second history, and one unbind removes it',
    rules: ['RT5', 'RQ9'],
    timeoutMs: 40_000,
    async run(test) {
      const [transport, other] = [await test.transport(), await test.open()];
      const history = await publishTexts(test, transport, 'news', 3, 'history');
      await transport.topics.bind('mine', 'news', { from: 'start' });
      test.check.equal(texts(test, await consume(test, other, 'mine', 3)), history, 'history');
      await Promise.all([other, transport].map((client) => client.topics.bind('mine', 'news', { from: 'start' })));
      test.check.equal(await transport.admin.bindings(), [{ queue: 'mine', pattern: 'news' }], 'bindings');
      const live = await publishTexts(test, transport, 'news', 3, 'live');
      test.check.equal(texts(test, await consume(test, other, 'mine', 3)), live, 'live events');
      await other.topics.unbind('mine', 'news');
      await other.topics.unbind('mine', 'news');
      test.check.equal(await transport.admin.bindings(), [], 'bindings at the end');
      await other.topics.bind('mine', 'news');
      test.check.equal(await transport.admin.deleteQueue('mine'), true, 'the queue existed');
      test.check.equal(await transport.admin.bindings(), [], 'bindings of a deleted queue');
      await publishTexts(test, transport, 'news', 3, 'late');
      await test.nothing(other, 'mine', 100);
      await goesWithItsQueue(test, transport);
    },
  },
  {
    id: 'S12',
    title: 'a late watcher first gets the newest value of each key, then each change',
    rules: ['RE2', 'RE1'],
    async run(test) {
      const [writer, reader] = [await test.transport(), await test.open()];
      for (const value of ['cold', 'warm', 'hot']) await writer.kv.put('state.oven', Buffer.from(value));
      await writer.kv.put('state.gone', Buffer.from('x'));
      await writer.kv.delete('state.gone');
      await writer.kv.put('other', Buffer.from('y'));
      const told: string[] = [];
      await reader.kv.watch('state.', (changes) => {
        told.push(...changes.map((change) => describe(test, change)));
      });
      await test.until('the watcher is synced', () => told.includes('synced'));
      test.check.equal(told, ['state.oven = hot', 'synced'], 'changes seen by a late watcher');
      await writer.kv.put('state.oven', Buffer.from('off'));
      await test.until('the change is seen', () => told.length > 2);
      await writer.kv.delete('state.oven');
      await test.until('the delete is seen', () => told.length > 3);
      test.check.equal(told.slice(2), ['state.oven = off', 'state.oven deleted'], 'later changes');
      await writer.kv.put('state.oven', Buffer.from('on'));
      await writer.admin.clear();
      await test.until('the delete by clear is seen', () => told.at(-1) === 'state.oven deleted' && told.length > 4);
    },
  },
  {
    id: 'S19',
    title: 'every watcher sees a key expire, once and soon after its time to live',
    rules: ['RE2', 'RE1'],
    async run(test) {
      const [writer, one, two] = [await test.transport(), await test.open(), await test.open()];
      const told: [string[], string[]] = [[], []];
      for (const [index, { kv }] of [one, two].entries()) {
        await kv.watch('state.', (changes) => {
          told[index]?.push(...changes.map(({ kind }) => kind));
        });
      }
      const began = performance.now();
      await writer.kv.put('state.oven', Buffer.from('hot'), { ttlMs: 300 });
      const isTold = (): boolean => told.every((kinds) => kinds.includes('expired'));
      await test.until('both watchers are told', isTold, test.beyond(300) + 5_000);
      test.check.ok(performance.now() - began >= 300 - ROUNDING_MS, 'not before its time to live');
      await writer.kv.put('state.oven', Buffer.from('off'));
      await test.until('both are told of the next put', () => told.every((kinds) => kinds.at(-1) === 'put'));
      for (const kinds of told) test.check.equal(kinds, ['synced', 'put', 'expired', 'put'], 'changes of a watcher');
    },
  },
  {
    id: 'S13',
    title: 'a publisher that subscribes also gets its own events, and can recognize them by their sender',
    rules: ['RT1', 'RA1'],
    async run(test) {
      const [one, two] = [await test.transport(), await test.open()];
      const [ofOne, ofTwo] = [await follow(test, one, 'chat'), await follow(test, two, 'chat')];
      await publish(test, one, 'chat', test.messages(2, { from: '@one' }, 'one'));
      await publish(test, two, 'chat', test.messages(2, { from: '@two' }, 'two'));
      for (const log of [ofOne, ofTwo]) {
        await log.has(['one0', 'one1', 'two0', 'two1'], 'events of a member of the chat');
        const own = log.events.filter(({ from }) => from === '@one');
        test.check.equal(texts(test, own), ['one0', 'one1'], 'events of the first publisher, by sender');
      }
    },
  },
  {
    id: 'S14',
    title: 'after subscribe or bind resolves, the next event of any publisher is delivered',
    rules: ['RT1', 'RT5'],
    smoke: true,
    async run(test) {
      const [publisher, subscriber] = [await test.transport(), await test.open()];
      for (let round = 0; round < 20; round += 1) {
        const topic = `round.${round}`;
        const log = await follow(test, subscriber, round % 2 === 0 ? topic : 'round.*');
        await publish(test, publisher, topic, test.messages(1, {}, `stored${round}.`));
        await publisher.topics.publish(topic, test.messages(1, {}, `passing${round}.`), { ephemeral: true });
        await test.until(`both events of round ${round}`, () => log.events.length === 2);
        test.check.equal(log.texts.sort(), [`passing${round}.0`, `stored${round}.0`], `events of round ${round}`);
        await log.subscription.close();
        await subscriber.topics.bind(`queue.${round}`, topic);
        await publish(test, publisher, topic, test.messages(1, {}, 'bound'));
        const bound = texts(test, await test.receive(subscriber, `queue.${round}`, 1));
        test.check.equal(bound, ['bound0'], 'event of the bound queue');
      }
    },
  },
]);

/** An idle queue expires with its bindings. A queue with a pending receive is not idle. */
async function goesWithItsQueue(test: TestContext, transport: Transport): Promise<void> {
  for (const queue of ['idle', 'waited']) {
    await transport.queues.configure(queue, { expireIdleMs: 1_000 });
    await transport.topics.bind(queue, 'news');
  }
  const waiting = transport.queues.receive('waited', { waitMs: 60_000 });
  const names = async (): Promise<string[]> => (await transport.admin.queues()).map(({ name }) => name);
  const withinMs = test.beyond(5_000) + test.capabilities.reclaimMs;
  await test.until('the idle queue is deleted', async () => !(await names()).includes('idle'), withinMs);
  test.check.equal(await names(), ['waited'], 'remaining queues');
  test.check.equal(await transport.admin.bindings(), [{ queue: 'waited', pattern: 'news' }], 'remaining bindings');
  const live = await publishTexts(test, transport, 'news', 1, 'awaited');
  test.check.equal(texts(test, await waiting), live, 'event of the pending receive');
  test.check.equal(await names(), ['waited'], 'queues after a further event');
}

function assertFields(test: TestContext, event: TopicEvent, fields: Partial<TopicEvent>): void {
  for (const [name, value] of Object.entries(fields)) {
    const actual: unknown = event[name as keyof TopicEvent];
    const isHeaders = name === 'headers';
    test.check.equal(isHeaders ? { ...event.headers } : actual, value, name);
  }
}

function describe(test: TestContext, change: KvChange): string {
  if (change.kind === 'synced') return 'synced';
  if (change.kind === 'put') return `${change.entry.key} = ${test.text({ body: change.entry.value })}`;
  return `${change.key} ${change.kind}`;
}
