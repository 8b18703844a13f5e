/** Options and URLs, mainly illegal ones. */

import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { needServer, startRedis } from '@busbar/testbed';
import { expect, test } from 'vitest';
import { openRedis, parseRedisUrl, type RedisOptions } from '../src/index.ts';

test.each([
  ['redis:', {}],
  ['redis://', {}],
  ['redis://localhost', { servers: ['localhost'] }],
  ['redis://h:6380/2?ns=team-a', { servers: ['h:6380'], database: 2, ns: 'team-a' }],
  ['redis://[::1]:6380', { servers: ['[::1]:6380'] }],
  ['redis://a:1,b:2,c', { servers: ['a:1', 'b:2', 'c'] }],
  ['redis://:p%40ss@h', { servers: ['h'], password: 'p@ss' }],
  ['redis://me:p%3Aw@h', { servers: ['h'], user: 'me', password: 'p:w' }],
  ['rediss://h', { servers: ['h'], tls: {} }],
  ['REDISS://h?ca=ca.pem&serverName=x', { servers: ['h'], tls: { ca: 'ca.pem', serverName: 'x' } }],
  ['redis:?socket=/run/redis.sock&clientName=a', { socket: '/run/redis.sock', clientName: 'a' }],
  [
    'redis://s:26379?master=m&sentinelPassword=x&durability=power',
    { servers: ['s:26379'], master: 'm', sentinelPassword: 'x', durability: 'power' },
  ],
  ['redis://h?maxEvents=10&maxBytes=Infinity', { servers: ['h'], retention: { maxEvents: 10, maxBytes: Infinity } }],
  ['redis://h?silenceMs=900&connectTimeoutMs=500', { servers: ['h'], silenceMs: 900, connectTimeoutMs: 500 }],
])('%s', (url, options) => {
  expect(parseRedisUrl(url)).toEqual(options);
});

test.each([
  ['nats://h', 'redis://'],
  ['redis//h', 'redis://'],
  ['redis://h#x', 'redis://'],
  ['redis://h:0', 'host:port'],
  ['redis://h:70000', 'host:port'],
  ['redis://h:x', 'host:port'],
  ['redis://a,,b', 'host:port'],
  ['redis://h/two', 'digits'],
  ['redis://h/-1', 'digits'],
  ['redis://h?durable=power', 'clientName, ns, durability'],
  ['redis://h?durability=fsync', 'process, power'],
  ['redis://h?ns=a&ns=b', 'once'],
  ['redis://h?ns=', 'ns'],
  ['redis://h?ns=a%7Db', 'ns'],
  ['redis://h?clientName=a%20b', 'clientName'],
  ['redis://h?maxEvents=ten', 'whole number'],
  ['redis://h?silenceMs=1', '500'],
  ['redis://h?connectTimeoutMs=0', '100'],
  ['redis://h?maxBodyBytes=1', '524288'],
  ['redis://h?topicDedupeMs=1', '120000'],
  ['redis://h?ca=x.pem', 'rediss://'],
  ['rediss://h?cert=x.pem', 'both files'],
  ['redis://h?socket=/s', 'one way'],
  ['redis://h?sentinelPassword=x', 'master'],
  ['redis://user@h', 'password'],
  ['redis://%zz:x@h', '%25'],
])('%s is refused with a hint', (url, hint) => {
  const error = caught(() => parseRedisUrl(url));
  expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' });
  expect(`${error.message} ${error.hint}`).toContain(hint);
});

test.each([
  'redis://user:hunter2@h:x',
  'redis://user:hunter2@h?nope=1',
  'redis://:hunter2@h:1/hunter2x?ns=%',
  'redis://user:hunter2@a:b@c d',
  'redis://h?master=m&sentinelPassword=hunter2&sentinelPassword=hunter2',
  'redis://user:hunter2@h/#',
])('the error for %s shows no secret', (url) => {
  const error = caught(() => parseRedisUrl(url));
  expect(JSON.stringify(error)).not.toContain(':hunter2');
  expect(error.message).not.toContain('hunter2@');
});

test.each<[string, unknown]>([
  ['a string', 'redis://h'],
  ['an unknown option', { host: 'h' }],
  ['no servers', { servers: [] }],
  ['servers as a string', { servers: 'h' }],
  ['a server as a number', { servers: [6379] }],
  ['a server with a path', { servers: ['h/2'] }],
  ['a password as a number', { password: 7 }],
  ['a user without a password', { user: 'me' }],
  ['a database as a string', { database: '2' }],
  ['an unknown TLS field', { tls: { pem: 'x' } }],
  ['an unknown bound of retention', { retention: { days: 3 } }],
  ['a retention of 0 events', { retention: { maxEvents: 0 } }],
])('%s is refused', async (_, options) => {
  await expect(openRedis(options as RedisOptions)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    hint: expect.any(String),
  });
});

test('a missing TLS file is refused', async () => {
  const opened = openRedis({ servers: ['127.0.0.1:1'], tls: { ca: '/nowhere/ca.pem' } });
  await expect(opened).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', hint: expect.stringContaining('tls.ca') });
});

test('an address without a server is UNAVAILABLE', async () => {
  const opened = openRedis({ servers: ['127.0.0.1:1'], user: 'me', password: 'hidden' });
  const message = 'the server cannot be reached (ECONNREFUSED 127.0.0.1:1)';
  await expect(opened).rejects.toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining(message) });
  await expect(openRedis({ socket: '/nowhere/redis.sock' })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});

test('opening waits for its server as long as waitForServerMs says', async ({ skip }) => {
  needServer('redis-server', skip);
  await using server = await startRedis();
  await server.stop();
  const opened = openRedis({ ...parseRedisUrl(server.url), waitForServerMs: 60_000 });
  await server.start();
  await (await opened).close();
});

interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

function caught(work: () => unknown): Refusal {
  try {
    work();
  } catch (error) {
    return error as Refusal;
  }
  throw new Error('the call did not throw');
}

test('opening fails after connectTimeoutMs if the server is silent', async () => {
  const silent = createServer((socket) => socket.on('error', () => undefined).resume()).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const began = performance.now();
  const opened = openRedis({ servers: [`127.0.0.1:${port}`], connectTimeoutMs: 300 });
  await expect(opened).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  expect(performance.now() - began).toBeLessThan(3_000);
  silent.close();
});
