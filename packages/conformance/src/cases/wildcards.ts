/** Publish and subscribe: which topics a pattern matches. */

import type { Transport } from '@busbar/api/transport';
import type { ConformanceCase } from '../case.ts';
import type { Lab } from '../context/test-context.ts';
import { consume, texts } from '../steps/consuming.ts';
import { drain } from '../steps/draining.ts';
import { follow, publish, publishTexts } from '../steps/event-log.ts';

const group = 'Pub/sub';
const TOKENS = ['a', 'b', 'A', 'ab', 'a-b', 'a/b', 'a:b'];
const ILLEGAL_TOPICS = ['', '.', '.a', 'a.', 'a..b', 'a b', 'a.b ', 'a\0b', 'ä', '$', `${'a.'.repeat(16)}a`];
const WILDCARDS = ['*', '>', 'a.*', '*.a', 'a.>', 'a.*.b', 'a*', 'a.b>'];
const ILLEGAL_PATTERNS = ['>.a', 'a.>.b', 'a*', '*a', 'a.b*', 'a>', '**', 'a.**', 'a.>>'];

export const cases: readonly ConformanceCase[] = [
  {
    id: 'S5',
    group,
    title: '`*` matches exactly one token, at any position',
    level: 'MUST',
    rules: ['RT2'],
    smoke: true,
    async run(lab) {
      await matches(lab, {
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
    group,
    title: 'a final `>` matches one or more tokens',
    level: 'MUST',
    rules: ['RT2'],
    smoke: true,
    async run(lab) {
      await matches(lab, {
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
    group,
    title: 'empty tokens and separators at the ends are refused; `*` and `>` alone match from the root',
    level: 'MUST',
    rules: ['RT2', 'RA4'],
    async run(lab) {
      const transport = await lab.transport();
      for (const topic of ILLEGAL_TOPICS) {
        const what = JSON.stringify(topic);
        await lab.check.rejects(
          transport.topics.publish(topic, lab.messages(1)),
          'INVALID_ARGUMENT',
          `publish on ${what}`,
        );
        await lab.check.rejects(follow(lab, transport, topic), 'INVALID_ARGUMENT', `subscribe to ${what}`);
        await lab.check.rejects(transport.topics.bind('mine', topic), 'INVALID_ARGUMENT', `bind to ${what}`);
      }
      lab.check.equal(await transport.admin.topics(), [], 'topics that refused calls have made');
      lab.check.equal(await transport.admin.queues(), [], 'queues that refused calls have made');
      await matches(lab, { '*': ['a', 'b'], '>': ['a', 'b', 'a.b'], '*.>': ['a.b'] });
    },
  },
  {
    id: 'S8',
    group,
    title: 'wildcards are refused in topics and queue names; in a pattern each is a whole token, and `>` the last',
    level: 'MUST',
    rules: ['RT2', 'RA4'],
    async run(lab) {
      const transport = await lab.transport();
      const log = await follow(lab, transport, '>');
      for (const topic of WILDCARDS) {
        await lab.check.rejects(
          transport.topics.publish(topic, lab.messages(1)),
          'INVALID_ARGUMENT',
          `publish on ${topic}`,
        );
        await lab.check.rejects(transport.queues.send(topic, lab.messages(1)), 'INVALID_ARGUMENT', `send to ${topic}`);
        await lab.check.rejects(transport.topics.bind(topic, 'a'), 'INVALID_ARGUMENT', `bind queue ${topic}`);
      }
      for (const pattern of ILLEGAL_PATTERNS) {
        await lab.check.rejects(follow(lab, transport, pattern), 'INVALID_ARGUMENT', `subscribe to ${pattern}`);
        await lab.check.rejects(transport.topics.bind('mine', pattern), 'INVALID_ARGUMENT', `bind to ${pattern}`);
      }
      await log.has(await publishTexts(lab, transport, 'end', 1), 'all published events');
    },
  },
  {
    id: 'S9',
    group,
    title: 'an event enters a queue once, however many patterns match; each subscription gets one copy',
    level: 'MUST',
    rules: ['RT5', 'RT1'],
    async run(lab) {
      const [publisher, client] = [await lab.transport(), await lab.open()];
      const patterns = ['a.b', 'a.*', '*.b', 'a.>', '>'];
      for (const pattern of patterns) await client.topics.bind('mine', pattern);
      const logs = await Promise.all(patterns.map((pattern) => follow(lab, client, pattern)));
      const sent = await publishTexts(lab, publisher, 'a.b', 20);
      for (const log of logs) await log.has(sent, 'events of one subscription');
      lab.check.equal(texts(lab, await consume(lab, client, 'mine', 20)), sent, 'messages of the queue');
      for (const pattern of patterns.slice(0, 4)) await client.topics.unbind('mine', pattern);
      const rest = await publishTexts(lab, publisher, 'a.b', 5, 'rest');
      lab.check.equal(texts(lab, await consume(lab, client, 'mine', 5)), rest, 'events of the last binding');
      await lab.nothing(client, 'mine', 100);
      await bindsOverHistory(lab, client);
    },
  },
  {
    id: 'S10',
    group,
    title: 'patterns without a leading `$` do not match topics with one',
    level: 'MUST',
    rules: ['RT2', 'RA4'],
    async run(lab) {
      const transport = await lab.transport();
      const open = await Promise.all(['>', '*.up', '*.>', 'sys.up'].map((pattern) => follow(lab, transport, pattern)));
      const hidden = await Promise.all(
        ['$sys.up', '$sys.*', '$sys.>'].map((pattern) => follow(lab, transport, pattern)),
      );
      await transport.topics.bind('all', '>');
      await transport.topics.bind('hidden', '$sys.>');
      await publish(lab, transport, '$sys.up', lab.messages(3, {}, 'hidden'));
      await transport.topics.publish('$sys.up', lab.messages(1, {}, 'passing'), { ephemeral: true });
      const seen = await publishTexts(lab, transport, 'sys.up', 2, 'open');
      for (const log of open) await log.has(seen, 'events of an open pattern');
      for (const log of hidden) await lab.until('hidden events arrive', () => log.events.length === 4);
      lab.check.equal(texts(lab, await consume(lab, transport, 'all', 2)), seen, 'events of the open binding');
      const queued = texts(lab, await consume(lab, transport, 'hidden', 3));
      lab.check.equal(queued, ['hidden0', 'hidden1', 'hidden2'], 'events of the hidden binding');
      await lab.nothing(transport, 'all', 100);
    },
  },
  {
    id: 'S18',
    group,
    title: 'random patterns match random topics exactly as a reference matcher does',
    level: 'MUST',
    rules: ['RT2', 'RT5'],
    async run(lab) {
      const [publisher, client] = [await lab.transport(), await lab.open()];
      const topics = Array.from({ length: 60 }, () => randomTopic(lab));
      const patterns = [...new Set(Array.from({ length: 24 }, () => randomPattern(lab)))];
      const logs = await Promise.all(patterns.map((pattern) => follow(lab, client, pattern)));
      const bound = patterns.slice(0, 8);
      for (const [index, pattern] of bound.entries()) await client.topics.bind(`queue.${index}`, pattern);
      for (const topic of topics) await publish(lab, publisher, topic, [{ body: Buffer.from(topic) }]);
      const expected = patterns.map((pattern) => topics.filter((topic) => isMatch(pattern, topic)));
      for (const [index, log] of logs.entries()) {
        const wanted = expected[index] ?? [];
        await lab.until(`${wanted.length} events of ${patterns[index]}`, () => log.events.length >= wanted.length);
        lab.check.equal(log.texts.sort(), [...wanted].sort(), `topics that ${patterns[index]} matches`);
      }
      for (const [index, pattern] of bound.entries()) {
        const queued = await consume(lab, client, `queue.${index}`, expected[index]?.length ?? 0);
        lab.check.equal(texts(lab, queued).sort(), [...(expected[index] ?? [])].sort(), `topics bound by ${pattern}`);
        await lab.nothing(client, `queue.${index}`, 20);
      }
    },
  },
];

/** Another pattern with history adds only events that no earlier binding added. */
async function bindsOverHistory(lab: Lab, client: Transport): Promise<void> {
  const before = await publishTexts(lab, client, 'log.x', 3, 'before');
  await client.topics.bind('logs', 'log.*');
  const between = await publishTexts(lab, client, 'log.x', 3, 'between');
  await client.topics.bind('logs', 'log.>', { from: 'start' });
  const after = await publishTexts(lab, client, 'log.x', 3, 'after');
  const got = texts(lab, await consume(lab, client, 'logs', 9));
  lab.check.equal(got.sort(), [...before, ...between, ...after].sort(), 'events of overlapping bindings');
  await lab.nothing(client, 'logs', 50);
  await Promise.all(['log.*', '>', 'log.x'].map((one) => client.topics.bind('twice', one, { from: 'start' })));
  const live = await publishTexts(lab, client, 'log.x', 3, 'live');
  const all = [...before, ...between, ...after, ...live];
  const logged = async (): Promise<number> =>
    (await client.admin.browse('twice', { limit: 1_000 })).messages.filter(({ message }) => message.topic === 'log.x')
      .length;
  await lab.until('the history is copied', async () => (await logged()) >= all.length);
  const twice = texts(lab, await drain(lab, client, 'twice')).filter((text) => all.includes(text));
  lab.check.equal(twice.sort(), all.sort(), 'events that several bindings brought from the start');
}

/** Publishes on all named topics and on some without a match, and asserts which subscription got which event. */
async function matches(lab: Lab, table: Readonly<Record<string, readonly string[]>>): Promise<void> {
  const transport = await lab.transport();
  const topics = [...new Set(Object.values(table).flat())];
  const patterns = Object.keys(table);
  const logs = await Promise.all(patterns.map((pattern) => follow(lab, transport, pattern)));
  for (const [index, pattern] of patterns.entries()) await transport.topics.bind(`bound.${index}`, pattern);
  for (const topic of topics) await publish(lab, transport, topic, [{ body: Buffer.from(topic) }]);
  for (const [index, pattern] of patterns.entries()) {
    const wanted = topics.filter((topic) => table[pattern]?.includes(topic));
    await lab.until(`${wanted.length} events of ${pattern}`, () => (logs[index]?.events.length ?? 0) >= wanted.length);
    lab.check.equal(logs[index]?.texts.sort(), [...wanted].sort(), `topics that ${pattern} matches`);
    await assertQueued(lab, transport, `bound.${index}`, wanted);
  }
}

async function assertQueued(lab: Lab, transport: Transport, queue: string, wanted: readonly string[]): Promise<void> {
  const queued = await consume(lab, transport, queue, wanted.length);
  lab.check.equal(texts(lab, queued).sort(), [...wanted].sort(), `topics queued in ${queue}`);
  await lab.nothing(transport, queue, 20);
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

function randomTopic(lab: Lab): string {
  const tokens = Array.from({ length: 1 + Math.floor(lab.random() * 4) }, () => pick(lab, TOKENS));
  return (lab.random() < 0.1 ? '$' : '') + tokens.join('.');
}

function randomPattern(lab: Lab): string {
  const tokens = randomTopic(lab).split('.');
  const some = tokens.map((token) => (token.startsWith('$') || lab.random() > 0.4 ? token : '*'));
  return (lab.random() < 0.3 ? [...some, '>'] : some).join('.');
}

function pick(lab: Lab, from: readonly string[]): string {
  return from[Math.floor(lab.random() * from.length)] ?? '';
}
