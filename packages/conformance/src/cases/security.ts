/** Security: errors contain no content, names cannot escape, files belong to their owner. */

import { readdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { inspect } from 'node:util';
import type { MessageInput, Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import { listFiles } from '../faults/store-files.ts';
import { consume, texts } from '../steps/consuming.ts';

const SECRET = 'hunter2-not-for-logs';
const encoder = new TextEncoder();

/** Legal names with a meaning to file systems, shells, SQL, globs and key patterns. */
const HOSTILE_QUEUES = ['/etc/passwd', '~/.ssh', '-rf', '--', 'C:/x', 'a:b', 'a/b', 'a+b', '@@', 'NULL', 'con'];
const HOSTILE_KEYS = [
  '../../escape',
  '%',
  '_',
  '*',
  '?',
  '[a-z]*',
  'a%b',
  "'; DROP TABLE messages; --",
  '" OR 1=1 --',
  '\\',
  'a\nb',
  '{tag}',
  '$(touch escape)',
  'ключ',
];
const ILLEGAL_QUEUES = [
  '',
  '.',
  '..',
  '../x',
  'a..b',
  'a*',
  'a.>',
  'a b',
  'a\u0000b',
  "a'b",
  'a"b',
  'a;b',
  'a%b',
  'a\\b',
  'ä',
  '*',
  '>',
];

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Security' }, [
  {
    id: 'N4',
    title: 'no error contains the content of a body, a header or a value',
    rules: ['RA6'],
    async run(test, transport) {
      for (const [what, attempt] of refusedCalls(transport)) {
        const error = await attempt().then(
          () => undefined,
          (reason: unknown) => reason,
        );
        test.check.ok(error !== undefined, `${what} is refused`);
        const shown = `${String(error)} ${JSON.stringify(error)} ${inspect(error, { depth: 6 })}`;
        test.check.ok(!shown.includes(SECRET), `the error of ${what} contains a secret`);
      }
    },
  },
  {
    id: 'N5',
    title: 'names with a meaning to a file system, SQL, a glob or a key pattern are plain names, or refused',
    rules: ['RA4'],
    smoke: true,
    async run(test, transport) {
      const around = await surroundings(test);
      for (const queue of HOSTILE_QUEUES) await test.send(transport, queue, test.messages(1, {}, `${queue}#`));
      for (const queue of HOSTILE_QUEUES) {
        test.check.equal(texts(test, await consume(test, transport, queue, 1)), [`${queue}#0`], `messages of ${queue}`);
      }
      for (const queue of ILLEGAL_QUEUES) {
        const refused = transport.queues.send(queue, test.messages(1));
        await test.check.rejects(refused, 'INVALID_ARGUMENT', `a send to ${JSON.stringify(queue)}`);
      }
      await hostileKeys(test, transport);
      test.check.equal(await surroundings(test), around, 'files beside the store');
    },
  },
  {
    id: 'N6',
    title: 'files and sockets of a store are accessible to their owner only',
    rules: ['RA6'],
    harnessFeatures: ['files'],
    async run(test, transport) {
      await test.send(transport, 'work', test.messages(3));
      await transport.topics.publish('news', test.messages(1));
      const waiting = transport.queues.receive('empty', { waitMs: 50 });
      const open = (await listFiles(test.folder)).filter(({ mode }) => (mode & 0o077) !== 0);
      test.check.mapped(open, ({ path, mode }) => `${path} ${mode.toString(8)}`, [], 'files accessible to others');
      await waiting;
    },
  },
]);

/** Calls that fail, each with a secret in its arguments. */
function refusedCalls(transport: Transport): [string, () => Promise<unknown>][] {
  const body = encoder.encode(SECRET);
  const huge = new Uint8Array(transport.capabilities.maxBodyBytes + 1);
  huge.set(body);
  const send = (fields: Partial<MessageInput>) => () => transport.queues.send('work', [{ body, ...fields }]);
  return [
    ['an oversized body', send({ body: huge })],
    ['an illegal header name', send({ headers: { 'Not Legal': SECRET } })],
    ['a header value that is too long', send({ headers: { token: SECRET.repeat(2_000) } })],
    ['a header value that is not a string', send({ headers: { token: { SECRET } as unknown as string } })],
    ['an illegal priority', send({ headers: { token: SECRET }, priority: 11 })],
    ['a body that is text', send({ body: SECRET as unknown as Uint8Array })],
    ['an oversized value', () => transport.kv.put('key', huge)],
    ['a value that is text', () => transport.kv.put('key', SECRET as unknown as Uint8Array)],
    [
      'an unknown queue',
      () =>
        transport.queues.send('nobody', [{ body, headers: { token: SECRET } }], { create: false }).then(refuseFailed),
    ],
  ];
}

function refuseFailed(results: readonly { readonly error?: unknown }[]): void {
  for (const { error } of results) if (error !== undefined) throw error;
}

async function hostileKeys(test: TestContext, transport: Transport): Promise<void> {
  const { kv } = transport;
  for (const key of HOSTILE_KEYS) await kv.put(key, encoder.encode(key));
  for (const key of HOSTILE_KEYS) {
    const entry = await kv.get(key);
    test.check.equal(entry && test.text({ body: entry.value }), key, `the entry ${JSON.stringify(key)}`);
    const listed = (await kv.list(key)).map((found) => found.key);
    const expected = HOSTILE_KEYS.filter((other) => other.startsWith(key));
    test.check.equal(listed.sort(), expected.sort(), `keys that begin with ${JSON.stringify(key)}`);
  }
}

/** Lists the files beside the store, if it consists of files. */
async function surroundings(test: TestContext): Promise<string[]> {
  if (!test.harnessFeatures.has('files')) return [];
  const names = await readdir(dirname(test.folder));
  return names.filter((name) => name.includes('escape')).sort();
}
