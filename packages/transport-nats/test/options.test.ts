/** Options and URLs, bad ones above all. */

import { expect, test } from 'vitest';
import { type NatsOptions, openNats, parseNatsUrl } from '../src/index.ts';

test.each<[string, NatsOptions]>([
  ['nats:', {}],
  ['nats://', {}],
  ['nats://localhost', { servers: ['localhost'] }],
  ['nats://h:4223/?ns=team-a', { servers: ['h:4223'], ns: 'team-a' }],
  ['nats://[::1]:4222', { servers: ['[::1]:4222'] }],
  ['nats://a:1,b:2,c', { servers: ['a:1', 'b:2', 'c'] }],
  ['nats://me:p%40s%3As@h', { servers: ['h'], user: 'me', password: 'p@s:s' }],
  ['nats://a@b@c', { servers: ['c'], token: 'a@b' }],
  ['nats://t%2Fken@h', { servers: ['h'], token: 't/ken' }],
  ['nats://h?nkey=seed.nk&clientName=agent-7', { servers: ['h'], nkey: 'seed.nk', clientName: 'agent-7' }],
  ['nats://h?inboxPrefix=_INBOX.me', { servers: ['h'], inboxPrefix: '_INBOX.me' }],
  ['nats://h?creds=me.creds', { servers: ['h'], creds: 'me.creds' }],
  ['tls://h', { servers: ['h'], tls: {} }],
  ['TLS://h?ca=ca.pem&cert=c.pem&key=k.pem', { servers: ['h'], tls: { ca: 'ca.pem', cert: 'c.pem', key: 'k.pem' } }],
  [
    'nats://h?replicas=3&storage=memory&durability=process&connectTimeoutMs=500',
    { servers: ['h'], replicas: 3, storage: 'memory', durability: 'process', connectTimeoutMs: 500 },
  ],
  [
    'nats://h?maxAgeMs=1000&maxEvents=10&maxBytes=1',
    { servers: ['h'], retention: { maxAgeMs: 1000, maxEvents: 10, maxBytes: 1 } },
  ],
])('%s', (url, options) => {
  expect(parseNatsUrl(url)).toEqual(options);
});

test.each([
  ['redis://h', 'nats://'],
  ['nats//h', 'nats://'],
  ['nats://h#x', 'nats://'],
  ['nats://h/bus', 'nats://'],
  ['nats://h:0', 'host:port'],
  ['nats://h:70000', 'host:port'],
  ['nats://h:x', 'host:port'],
  ['nats://a,,b', 'host:port'],
  ['nats://h%0d%0aPUB', 'host:port'],
  ['nats://h?durable=power', 'clientName, inboxPrefix, ns, replicas, consumerReplicas, storage, durability'],
  ['nats://h?__proto__=1', 'clientName, inboxPrefix, ns, replicas, consumerReplicas, storage, durability'],
  ['nats://h?durability=fsync', 'process, power'],
  ['nats://h?storage=disk', 'file, memory'],
  ['nats://h?replicas=0', '1'],
  ['nats://h?replicas=6', '5'],
  ['nats://h?replicas=', 'Use a whole number'],
  ['nats://h?replicas=three', 'Use a whole number'],
  ['nats://h?ns=a&ns=b', 'once'],
  ['nats://h?ns=', 'ns'],
  ['nats://h?inboxPrefix=_INBOX.*', 'inboxPrefix'],
  ['nats://h?ns=a*', 'ns'],
  ['nats://h?clientName=a%20b', 'clientName'],
  ['nats://h?clientName=a%0d%0aPUB', 'clientName'],
  ['nats://h?connectTimeoutMs=0', '100'],
  ['nats://h?maxAgeMs=1', '1000'],
  ['nats://h?maxEvents=1e3', 'Use a whole number'],
  ['nats://h?maxEvents=0', '1'],
  ['nats://h?maxBytes=-1', 'Use a whole number'],
  ['nats://h?nkey=', 'nkey'],
  ['nats://h?monitor=8222', 'http://host:port'],
  ['nats://h?ca=x.pem', 'tls://'],
  ['tls://h?cert=x.pem', 'both files'],
  ['nats://user:@h', 'password'],
  ['nats://:secret@h', 'user'],
  ['nats://token@h?nkey=x', 'or nkey'],
  ['nats://user:secret@h?creds=x', 'or creds'],
  ['nats://%zz:x@h', '%25'],
])('%s is refused with a hint', (url, hint) => {
  const error = caught(() => parseNatsUrl(url));
  expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', hint: expect.any(String) });
  expect(`${error.message} ${error.hint}`).toContain(hint);
});

test.each([
  'nats://user:hunter2@h:x',
  'nats://user:hunter2@h?nope=1',
  'nats://hunter2@h?storage=disk',
  'nats://user:hunter2%zz@h',
  'nats://hunter2%zz@h',
  'nats://user:hunter2@a:b@c d',
  'nats://hunter2@h?creds=x',
  'nats://user:hunter2@h/#',
  `nats://${'hunter2'.repeat(600)}@h`,
  'nats://h?monitor=http://me:hunter2@h:8222',
])('no secret of %.40s is told', (url) => {
  const error = caught(() => parseNatsUrl(url));
  expect(`${JSON.stringify(error)} ${(error as unknown as Error).stack}`.replaceAll(url, '')).not.toContain('hunter2');
});

test.each<[string, unknown]>([
  ['a text', 'nats://h'],
  ['an unknown option', { host: 'h' }],
  ['servers that are none', { servers: [] }],
  ['servers that are a text', { servers: 'h' }],
  ['a server that is a number', { servers: [4222] }],
  ['a server with a scheme', { servers: ['nats://h'] }],
  ['a password that is a number', { user: 'me', password: 7 }],
  ['a user alone', { user: 'me' }],
  ['a password alone', { password: 'x' }],
  ['a token of nothing', { token: '' }],
  ['two ways to log in', { token: 'x', nkey: 'y' }],
  ['replicas that are a text', { replicas: '3' }],
  ['half a replica', { replicas: 1.5 }],
  ['TLS that is a flag', { tls: true }],
  ['an unknown file of TLS', { tls: { pem: 'x' } }],
  ['an unknown bound', { retention: { days: 3 } }],
  ['a bound that is no number', { retention: { maxBytes: Number.NaN } }],
])('%s is refused', async (_, options) => {
  await expect(openNats(options as NatsOptions)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    hint: expect.any(String),
  });
});

test.each<[string, NatsOptions]>([
  ['tls.ca', { tls: { ca: '/nowhere/ca.pem' } }],
  ['nkey', { nkey: '/nowhere/seed.nk' }],
  ['creds', { creds: '/nowhere/me.creds' }],
])('a file of %s that is not there', async (name, options) => {
  await expect(openNats({ servers: ['127.0.0.1:1'], ...options })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining(name),
  });
});

test('nobody listens there', async () => {
  await expect(openNats({ servers: ['127.0.0.1:1'] })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
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
  throw new Error('nothing was refused');
}
