/** Publish and subscribe: which topics a pattern matches. */

import type { Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import { consume, drain, texts } from '../steps/consuming.ts';
import { type EventLog, follow, publish, publishTexts } from '../steps/event-log.ts';

const TOKENS = ['a', 'b', 'A', 'ab', 'a-b', 'a/b', 'a:b'];
const ILLEGAL_TOPICS = ['', '.', '.a', 'a.', 'a..b', 'a b', 'a.b ', 'a\0b', 'ä', '$', `${'a.'.repeat(16)}a`];
const WILDCARDS = ['*', '>', 'a.*', '*.a', 'a.>', 'a.*.b', 'a*', 'a.b>'];
const ILLEGAL_PATTERNS = ['>.a', 'a.>.b', 'a*', '*a', 'a.b*', 'a>', '**', 'a.**', 'a.>>'];
/** Further patterns of a table are not bound. */
const MAX_BOUND = 8;

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Pub/sub' }, [
  {
    id: 'S5',
    title: '`*` matches exactly one token, at any position',
    rules: ['RT2'],
    smoke: true,
    async run(test, transport) {
      await matches(test, transport, {
        'user.*.login': ['user.a.login', 'user.b.login'],
        '*.a.login': ['user.a.login', 'host.a.login'],
        'user.a.*': ['user.a.login', 'user.a.logout'],
        '*.*': ['user.login', 'user.a'],
        '*': ['user'],
        'user.*': ['user.login', 'user.a'],
      });
    },
  },
  {
    id: 'S6',
    title: 'a final `>` matches one or more tokens',
    rules: ['RT2'],
    smoke: true,
    async run(test, transport) {
      await matches(test, transport, {
        'user.>': ['user.a', 'user.a.login', 'user.a.login.b.c'],
        'user.a.>': ['user.a.login', 'user.a.login.b.c'],
        'user.*.>': ['user.a.login', 'user.a.login.b.c'],
        '*.>': ['user.a', 'user.a.login', 'user.a.login.b.c', 'users.a', 'User.a'],
        '>': ['user', 'user.a', 'user.a.login', 'user.a.login.b.c', 'users.a', 'User.a'],
      });
    },
  },
  {
    id: 'S7',
    title: 'empty tokens and separators at the ends are refused; `*` and `>` alone match from the root',
    rules: ['RT2', 'RA4'],
    async run(test, transport) {
      const { topics } = transport;
      for (const topic of ILLEGAL_TOPICS) {
        const what = JSON.stringify(topic);
        await test.check.rejects(topics.publish(topic, test.messages(1)), 'INVALID_ARGUMENT', `publish on ${what}`);
        await test.check.rejects(follow(test, transport, topic), 'INVALID_ARGUMENT', `subscribe to ${what}`);
        await test.check.rejects(topics.bind('mine', topic), 'INVALID_ARGUMENT', `bind to ${what}`);
      }
      test.check.equal(await transport.admin.topics(), [], 'topics created by refused calls');
      test.check.equal(await transport.admin.queues(), [], 'queues created by refused calls');
      await matches(test, transport, { '*': ['a', 'b'], '>': ['a', 'b', 'a.b'], '*.>': ['a.b'] });
    },
  },
  {
    id: 'S8',
    title: 'wildcards are refused in topics and queue names; in a pattern each is a whole token, and `>` the last',
    rules: ['RT2', 'RA4'],
    async run(test, transport) {
      const { queues, topics } = transport;
      const log = await follow(test, transport, '>');
      for (const topic of WILDCARDS) {
        await test.check.rejects(topics.publish(topic, test.messages(1)), 'INVALID_ARGUMENT', `publish on ${topic}`);
        await test.check.rejects(queues.send(topic, test.messages(1)), 'INVALID_ARGUMENT', `send to ${topic}`);
        await test.check.rejects(topics.bind(topic, 'a'), 'INVALID_ARGUMENT', `bind queue ${topic}`);
      }
      for (const pattern of ILLEGAL_PATTERNS) {
        await test.check.rejects(follow(test, transport, pattern), 'INVALID_ARGUMENT', `subscribe to ${pattern}`);
        await test.check.rejects(topics.bind('mine', pattern), 'INVALID_ARGUMENT', `bind to ${pattern}`);
      }
      await log.has(await publishTexts(test, transport, 'end', 1), 'all published events');
    },
  },
  {
    id: 'S9',
    title: 'an event enters a queue once, however many patterns match; each subscription gets one copy',
    rules: ['RT5', 'RT1'],
    async run(test) {
      const [publisher, client] = [await test.transport(), await test.open()];
      const patterns = ['a.b', 'a.*', '*.b', 'a.>', '>'];
      for (const pattern of patterns) await client.topics.bind('mine', pattern);
      const logs = await followAll(test, client, patterns);
      const sent = await publishTexts(test, publisher, 'a.b', 20);
      for (const log of logs) await log.has(sent, 'events of one subscription');
      test.check.equal(texts(test, await consume(test, client, 'mine', 20)), sent, 'messages of the queue');
      for (const pattern of patterns.slice(0, 4)) await client.topics.unbind('mine', pattern);
      const rest = await publishTexts(test, publisher, 'a.b', 5, 'rest');
      test.check.equal(texts(test, await consume(test, client, 'mine', 5)), rest, 'events of the last binding');
      await test.nothing(client, 'mine', 100);
      await bindsOverHistory(test, client);
    },
  },
  {
    id: 'S10',
    title: 'patterns without a leading `$` do not match topics with one',
    rules: ['RT2', 'RA4'],
    async run(test, transport) {
      const open = await followAll(test, transport, ['>', '*.up', '*.>', 'sys.up']);
      const hidden = await followAll(test, transport, ['$sys.up', '$sys.*', '$sys.>']);
      await transport.topics.bind('all', '>');
      await transport.topics.bind('hidden', '$sys.>');
      await publish(test, transport, '$sys.up', test.messages(3, {}, 'hidden'));
      await transport.topics.publish('$sys.up', test.messages(1, {}, 'passing'), { ephemeral: true });
      const seen = await publishTexts(test, transport, 'sys.up', 2, 'open');
      for (const log of open) await log.has(seen, 'events of an open pattern');
      for (const log of hidden) await test.until('hidden events arrive', () => log.events.length === 4);
      test.check.equal(texts(test, await consume(test, transport, 'all', 2)), seen, 'events of the open binding');
      const queued = texts(test, await consume(test, transport, 'hidden', 3));
      test.check.equal(queued, ['hidden0', 'hidden1', 'hidden2'], 'events of the hidden binding');
      await test.nothing(transport, 'all', 100);
    },
  },
  {
    id: 'S18',
    title: 'random patterns match random topics exactly as a reference matcher does',
    rules: ['RT2', 'RT5'],
    async run(test) {
      const topics = Array.from({ length: 60 }, () => randomTopic(test));
      const patterns = [...new Set(Array.from({ length: 24 }, () => randomPattern(test)))];
      const table = patterns.map((pattern) => [pattern, topics.filter((topic) => isMatch(pattern, topic))] as const);
      await matches(test, await test.open(), Object.fromEntries(table), topics);
    },
  },
]);

/** Another pattern with history adds only events that no earlier binding added. */
async function bindsOverHistory(test: TestContext, client: Transport): Promise<void> {
  const before = await publishTexts(test, client, 'log.x', 3, 'before');
  await client.topics.bind('logs', 'log.*');
  const between = await publishTexts(test, client, 'log.x', 3, 'between');
  await client.topics.bind('logs', 'log.>', { from: 'start' });
  const after = await publishTexts(test, client, 'log.x', 3, 'after');
  const got = texts(test, await consume(test, client, 'logs', 9));
  test.check.equal(got.sort(), [...before, ...between, ...after].sort(), 'events of overlapping bindings');
  await test.nothing(client, 'logs', 50);
  await Promise.all(['log.*', '>', 'log.x'].map((one) => client.topics.bind('twice', one, { from: 'start' })));
  const live = await publishTexts(test, client, 'log.x', 3, 'live');
  const all = [...before, ...between, ...after, ...live];
  const logged = async (): Promise<number> =>
    (await client.admin.browse('twice', { limit: 1_000 })).messages.filter(({ message }) => message.topic === 'log.x')
      .length;
  await test.until('the history is copied', async () => (await logged()) >= all.length);
  const twice = texts(test, await drain(test, client, 'twice')).filter((text) => all.includes(text));
  test.check.equal(twice.sort(), all.sort(), 'events of several bindings from the start');
}

/** Publishes on all `topics`, and asserts which subscription and which bound queue of `client` gets which event. */
async function matches(
  test: TestContext,
  client: Transport,
  table: Readonly<Record<string, readonly string[]>>,
  topics: readonly string[] = [...new Set(Object.values(table).flat())],
): Promise<void> {
  const publisher = await test.transport();
  const patterns = Object.keys(table);
  const logs = await followAll(test, client, patterns);
  const bound = patterns.slice(0, MAX_BOUND);
  for (const [index, pattern] of bound.entries()) await client.topics.bind(`bound.${index}`, pattern);
  for (const topic of topics) await publish(test, publisher, topic, [{ body: Buffer.from(topic) }]);
  for (const [index, log] of logs.entries()) {
    const pattern = patterns[index] ?? '';
    const wanted = topics.filter((topic) => table[pattern]?.includes(topic)).sort();
    await test.until(`${wanted.length} events of ${pattern}`, () => log.events.length >= wanted.length);
    test.check.equal(log.texts.sort(), wanted, `topics that ${pattern} matches`);
    if (index >= MAX_BOUND) continue;
    const queued = await consume(test, client, `bound.${index}`, wanted.length);
    test.check.equal(texts(test, queued).sort(), wanted, `topics bound by ${pattern}`);
    await test.nothing(client, `bound.${index}`, 20);
  }
}

function followAll(test: TestContext, client: Transport, patterns: readonly string[]): Promise<EventLog[]> {
  return Promise.all(patterns.map((pattern) => follow(test, client, pattern)));
}

/** The reference matcher: a pattern as a regular expression. */
function isMatch(pattern: string, topic: string): boolean {
  if (topic.startsWith('$') && !pattern.startsWith('$')) return false;
  const source = pattern
    .split('.')
    .map((token) => (token === '*' ? '[^.]+' : token === '>' ? '.+' : token.replace('$', '\\$')))
    .join('\\.');
  return new RegExp(`^${source}$`).test(topic);
}

function randomTopic(test: TestContext): string {
  const tokens = Array.from({ length: 1 + Math.floor(test.random() * 4) }, () => pick(test, TOKENS));
  return (test.random() < 0.1 ? '$' : '') + tokens.join('.');
}

function randomPattern(test: TestContext): string {
  const tokens = randomTopic(test).split('.');
  const some = tokens.map((token) => (token.startsWith('$') || test.random() > 0.4 ? token : '*'));
  return (test.random() < 0.3 ? [...some, '>'] : some).join('.');
}

function pick(test: TestContext, from: readonly string[]): string {
  return from[Math.floor(test.random() * from.length)] ?? '';
}
