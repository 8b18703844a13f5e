/** Security: rejected clients, invalid network data, and what errors, names and files reveal. */

import { readdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { inspect } from 'node:util';
import type { ErrorCode } from '@busbar/api';
import type { MessageInput, Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import { within } from '../context/until.ts';
import { listFiles } from '../faults/store-files.ts';
import type { UntrustedClient } from '../harness.ts';
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

const OPEN_MS = 15_000;

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
        test.check.ok(!shownOf(error).includes(SECRET), `the error of ${what} contains a secret`);
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
  {
    id: 'N1',
    title: 'a wrong password is PERMISSION_DENIED, quickly, and appears in no error',
    rules: ['RA6', 'RA1'],
    untrustedClient: 'wrongPassword',
    async run(test) {
      await assertRejected(test, await test.untrustedClient(), 'PERMISSION_DENIED');
    },
  },
  {
    id: 'N2',
    title: 'a user without rights gets PERMISSION_DENIED',
    rules: ['RA6', 'RA1'],
    untrustedClient: 'denied',
    async run(test) {
      const client = await test.untrustedClient();
      const use = async (): Promise<void> => {
        await using transport = await client.open();
        await transport.queues.send('work', test.messages(1), { timeoutMs: 5_000 });
      };
      await assertRejected(test, { ...client, open: use }, 'PERMISSION_DENIED');
    },
  },
  {
    id: 'N3',
    title: 'a client does not talk to a server whose certificate it does not trust',
    rules: ['RA6', 'RA1'],
    untrustedClient: 'wrongAuthority',
    async run(test) {
      await assertRejected(test, await test.untrustedClient(), ['UNAVAILABLE', 'PERMISSION_DENIED']);
    },
  },
  {
    id: 'N7',
    title: 'garbage, partial frames and floods on its port stop neither the server nor the work of others',
    rules: ['RA2'],
    harnessFeatures: ['server'],
    timeoutMs: 60_000,
    async run(test, transport) {
      await test.send(transport, 'work', test.messages(1));
      const garbage = [
        ...Array.from({ length: 20 }, () => Buffer.from(Array.from({ length: 512 }, () => test.random() * 256))),
        Buffer.alloc(1_048_576, 0xff),
        Buffer.alloc(64),
        Buffer.from('{"type":'),
        Buffer.from('GET / HTTP/1.1\r\n'),
        Buffer.from('*1000000000\r\n$2000000000\r\n'),
        Buffer.from('PUB a 999999999\r\n'),
      ];
      await Promise.all(garbage.map((bytes) => throwAt(test, bytes)));
      await test.send(transport, 'work', test.messages(1));
      await test.ack(transport, await test.receive(transport, 'work', 2));
      test.check.equal(transport.state, 'open', 'the state of a client meanwhile');
      const other = await test.open();
      await test.send(other, 'work', test.messages(1));
    },
  },
  {
    id: 'N8',
    title: 'a client authenticated as one agent cannot send as another',
    rules: ['RA1'],
    untrustedClient: 'impostor',
    async run(test) {
      const client = await test.untrustedClient();
      await using transport = await client.open();
      const forged = [{ body: Buffer.from('x'), from: '@somebody-else' }];
      const sending = transport.queues.send('work', forged).then(([result]) => Promise.reject(result?.error));
      await test.check.rejects(sending, 'PERMISSION_DENIED', 'a message in the name of another');
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

interface Attempt extends Omit<UntrustedClient, 'open'> {
  open(): Promise<unknown>;
}

async function assertRejected(
  test: TestContext,
  { open, secrets }: Attempt,
  code: ErrorCode | readonly ErrorCode[],
): Promise<void> {
  const opening = within(OPEN_MS, `no error within ${OPEN_MS} ms`, open());
  const error = await test.check.rejects(opening, code, 'without rights');
  for (const secret of secrets) test.check.ok(!shownOf(error).includes(secret), 'the error shows a secret');
}

/** Every text that a log could contain of an error. */
function shownOf(error: unknown): string {
  return `${String(error)} ${JSON.stringify(error)} ${inspect(error, { depth: 6 })}`;
}

/** Writes `bytes` to the server and disconnects soon, or when the server does. */
async function throwAt(test: TestContext, bytes: Uint8Array): Promise<void> {
  const socket = connect({ ...test.server.network.endpoint });
  socket.on('error', () => undefined);
  socket.setTimeout(300, () => socket.destroy());
  socket.resume();
  socket.write(bytes);
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
}
