/** Servers with various settings, permissions and limits. */

import { needServer, startRedis } from '@busbar/testbed';
import { beforeEach, expect, test } from 'vitest';
import { useEverything } from '../../../test/use-everything.ts';
import { openRedis, parseRedisUrl } from '../src/index.ts';

beforeEach(({ skip }) => needServer('redis-server', skip));

/** The ACL rule of the README. */
const ACL =
  'agent on >secret resetkeys resetchannels ~{busbar:* &{busbar:* -@all +@hash +@sortedset +@stream +eval +evalsha +exists +unlink +pexpire +time +spublish +ssubscribe +sunsubscribe +ping';

test.each([
  [['appendonly yes', 'appendfsync always'], 'power', 0],
  [['appendonly yes', 'appendfsync everysec'], 'none', 1],
  [['appendonly no'], 'none', 1],
  [['maxmemory 100mb', 'maxmemory-policy noeviction'], 'power', 0],
  [['maxmemory 100mb', 'maxmemory-policy allkeys-lru'], 'none', 1],
  [['maxmemory-policy allkeys-lru'], 'power', 0],
])('%j declares %s', async (config, durability, warnings) => {
  await using server = await startRedis({ config });
  const options = parseRedisUrl(server.url);
  await using transport = await openRedis(options);
  expect(transport.capabilities.durability).toBe(durability);
  expect(transport.warnings).toHaveLength(warnings);
  const demanding = openRedis({ ...options, durability: 'process' });
  if (durability === 'power') await (await demanding).close();
  else await expect(demanding).rejects.toMatchObject({ code: 'UNSUPPORTED', hint: expect.stringContaining('Set ') });
});

test('the largest body follows the server', async () => {
  await using server = await startRedis({ config: ['proto-max-bulk-len 3mb'] });
  await using transport = await openRedis(parseRedisUrl(server.url));
  expect(transport.capabilities.maxBodyBytes).toBe(2 * 1_048_576);
});

test('a user with the permissions of the README can do everything', async () => {
  await using server = await startRedis({ users: [ACL] });
  await using transport = await openRedis(parseRedisUrl(server.urlAs('agent:secret')));
  expect(transport.capabilities.durability).toBe('none');
  expect(transport.warnings?.[0]?.hint).toContain('config|get');
  await useEverything(transport);
});

test('with config|get the transport declares the durability of the server', async () => {
  await using server = await startRedis({ users: [`${ACL} +config|get`] });
  await using transport = await openRedis(parseRedisUrl(server.urlAs('agent:secret')));
  expect(transport.capabilities.durability).toBe('power');
});

test('a missing permission for a command or a namespace is PERMISSION_DENIED', async () => {
  await using server = await startRedis({
    users: [`${ACL.replace('{busbar:*', '{busbar:mine}*').replace('+unlink', '')}`],
  });
  const url = server.urlAs('agent:secret');
  await expect(openRedis(parseRedisUrl(`${url}?ns=other`))).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
  await using transport = await openRedis(parseRedisUrl(`${url}?ns=mine`));
  await transport.queues.configure('work');
  await expect(transport.admin.deleteQueue('work')).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
});

test.each([
  ['a wrong password', ':hunter2'],
  ['none', undefined],
  ['an unknown user', 'mallory:hunter2'],
])('%s is PERMISSION_DENIED, and no secret shows', async (_, credentials) => {
  await using server = await startRedis({ password: 'right' });
  const error: unknown = await openRedis(parseRedisUrl(server.urlAs(credentials))).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: 'PERMISSION_DENIED', retryable: false });
  expect(`${(error as Error).stack} ${JSON.stringify(error)}`).not.toContain('hunter2');
});

test('TLS needs the right certificates', async () => {
  await using server = await startRedis({ tls: true });
  const ca = server.certificates?.ca ?? '';
  const options = parseRedisUrl(server.url);
  await using transport = await openRedis({ ...options, tls: { ca } });
  await useEverything(transport);
  await expect(openRedis(options)).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringContaining('TLS'),
  });
  await expect(openRedis({ ...options, tls: { ca, serverName: 'other.example' } })).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringContaining('TLS'),
  });
});

test('a server with full memory refuses sends with BACKPRESSURE and still delivers', async () => {
  await using server = await startRedis();
  await using transport = await openRedis(parseRedisUrl(server.url));
  await transport.queues.send('work', [{ body: new Uint8Array(1000) }]);
  await server.call('CONFIG', 'SET', 'maxmemory', '1');
  const [refused] = await transport.queues.send('work', [{ body: new Uint8Array(1) }]);
  expect(refused).toMatchObject({ status: 'failed', error: { code: 'BACKPRESSURE' } });
  const [delivery] = await transport.queues.receive('work', { waitMs: 1000 });
  const settled = await transport.queues.settle([{ receipt: delivery?.receipt ?? '', action: 'ack' }]);
  expect(settled[0]?.status).toBe('done');
  expect(await transport.queues.receive('work', { waitMs: 20 })).toEqual([]);
  await server.call('CONFIG', 'SET', 'maxmemory', '0');
  const [stored] = await transport.queues.send('work', [{ body: new Uint8Array(1) }]);
  expect(stored?.status).toBe('stored');
});

test('a server with full memory refuses settlements with entries, and settles those beside them', async () => {
  await using server = await startRedis();
  await using transport = await openRedis(parseRedisUrl(server.url));
  const { queues, kv } = transport;
  await queues.send('work', [{ body: new Uint8Array(1000) }, { body: new Uint8Array(1000) }]);
  const [first, second] = await queues.receive('work', { max: 2, waitMs: 1000 });
  await server.call('CONFIG', 'SET', 'maxmemory', '1');
  const entry = { key: 'out', value: new Uint8Array(10) };
  const [refused, settled] = await Promise.allSettled([
    queues.settle([
      { receipt: first?.receipt ?? '', action: 'ack', entry },
      { receipt: 'foreign', action: 'ack' },
    ]),
    queues.settle([{ receipt: second?.receipt ?? '', action: 'ack' }]),
  ]);
  expect(refused).toMatchObject({ status: 'rejected', reason: { code: 'BACKPRESSURE', outcome: 'failed' } });
  expect(settled).toMatchObject({ status: 'fulfilled', value: [{ status: 'done' }] });
  await server.call('CONFIG', 'SET', 'maxmemory', '0');
  const [again] = await queues.settle([{ receipt: first?.receipt ?? '', action: 'ack', entry }]);
  expect([again?.status, (await kv.get('out'))?.value.byteLength]).toEqual(['done', 10]);
});

test('a replica is refused', async () => {
  await using server = await startRedis();
  await server.call('REPLICAOF', '127.0.0.1', '1');
  await expect(openRedis({ ...parseRedisUrl(server.url), connectTimeoutMs: 200 })).rejects.toMatchObject({
    code: 'UNAVAILABLE',
  });
});

test('database and clientName are used', async () => {
  await using server = await startRedis();
  await using transport = await openRedis(parseRedisUrl(`${server.url}/3?clientName=agent-7`));
  await transport.queues.send('work', [{ body: new Uint8Array(1) }]);
  expect(String(await server.call('INFO', 'keyspace'))).toMatch(/^db3:keys=/m);
  expect(String(await server.call('CLIENT', 'LIST'))).toContain('name=agent-7');
});
