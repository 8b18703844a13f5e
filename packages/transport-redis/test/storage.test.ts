/** The keys on the server: readable, separate for each namespace, and no more than needed. */

import { needServer, type RedisServer, startRedis, waitFor } from '@busbar/testbed';
import { beforeEach, expect, test } from 'vitest';
import { openRedis, parseRedisUrl } from '../src/index.ts';

beforeEach(({ skip }) => needServer('redis-server', skip));

test.concurrent('bodies are stored as they are, and the commands of the README find them', async () => {
  await using server = await startRedis();
  await using transport = await openRedis(parseRedisUrl(server.url));
  const body = Buffer.from('{"text":"grüße 🎉"}');
  await transport.queues.send('work', [{ id: 'm-1', body, type: 'note', headers: { trace: 'x' } }]);
  await transport.topics.publish('news', [{ id: 'e-1', body }]);
  await transport.kv.put('who', body);
  expect(await server.call('ZRANGE', '{busbar:}:queues', '0', '-1')).toEqual(['work']);
  expect(await server.call('ZRANGE', '{busbar:}:ready:work', '0', '9')).toEqual(['m-1']);
  const stored = String(await server.call('HGET', '{busbar:}:message:work', 'm-1'));
  expect(stored).toContain('"type":"note"');
  expect(stored.endsWith(`\n${body}`)).toBe(true);
  expect(JSON.stringify(await server.call('XREVRANGE', '{busbar:}:log', '+', '-', 'COUNT', '1'))).toContain('grüße');
  expect(String(await server.call('HGET', '{busbar:}:kv:entries', 'who')).endsWith(`\n${body}`)).toBe(true);
});

test.concurrent('namespaces are separate, whatever their names', async () => {
  await using server = await startRedis();
  const spaces = [undefined, 'a', 'a:', 'a:b', 'queue:a', 'A'];
  for (const ns of spaces) {
    await using transport = await openRedis({ ...parseRedisUrl(server.url), ...(ns !== undefined && { ns }) });
    expect(await transport.admin.queues()).toEqual([]);
    await transport.queues.send('b:work', [{ body: Buffer.from('x') }]);
    await transport.kv.put('key', Buffer.from('x'));
  }
  await using transport = await openRedis({ ...parseRedisUrl(server.url), ns: 'a' });
  await transport.admin.clear();
  expect(await server.call('EXISTS', '{busbar:a:}:message:b:work', '{busbar:}:message:b:work')).toBe(2);
  expect(await server.call('EXISTS', '{busbar:a}:message:b:work')).toBe(0);
});

test.concurrent('clear and close leave no key, and revisions still rise', async () => {
  await using server = await startRedis();
  await server.call('SET', 'mine', '1');
  const use = async (): Promise<number> => {
    await using transport = await openRedis(parseRedisUrl(server.url));
    await transport.queues.receive('nothing', { waitMs: 1 });
    await transport.queues.send('work', [{ body: Buffer.from('x') }]);
    await transport.topics.bind('work', 'news.>');
    await transport.topics.publish('news.today', [{ body: Buffer.from('x') }]);
    const put = await transport.kv.put('key', Buffer.from('x'));
    await transport.admin.clear();
    return put.status === 'stored' ? put.revision : 0;
  };
  const first = await use();
  expect(await server.call('KEYS', '*')).toEqual(['mine']);
  expect(await use()).toBeGreaterThan(first);
});

test.concurrent('after acks only the dedupe ids of the messages are left', async () => {
  await using server = await startRedis({ config: ['appendfsync no'] });
  await using transport = await openRedis(parseRedisUrl(server.url));
  const empty = await keys(server);
  for (let round = 0; round < 5; round += 1) {
    const messages = Array.from({ length: 200 }, () => ({
      body: new Uint8Array(100),
      ttlMs: 60_000,
      orderingKey: 'k',
    }));
    await transport.queues.send('work', messages);
    for (let left = 200; left > 0; ) {
      const taken = await transport.queues.receive('work', { max: 200, waitMs: 1000 });
      left -= taken.length;
      const acks = taken.map(({ receipt }) => ({ receipt, action: 'ack' as const }));
      await transport.queues.settle(acks);
    }
  }
  // Maintenance, which comes with time, adds its own key.
  const left = (await keys(server)).filter((key) => !empty.includes(key) && key !== 'maintainers');
  expect(left).toEqual([
    'counters',
    'dedupe:work',
    'due',
    'marks',
    'queue:work',
    'queues',
    'waiting-queues',
    'waiting:work',
  ]);
  expect(await server.call('ZCARD', '{busbar:}:dedupe:work')).toBe(1000);
});

test.concurrent('a waiting and a finished task take no more than twice their body and 300 bytes', async () => {
  await using server = await startRedis({ config: ['appendfsync no'] });
  await using transport = await openRedis(parseRedisUrl(server.url));
  const { queues } = transport;
  const count = 4_096;
  const body = new Uint8Array(249).fill(0x78);
  const messages = Array.from({ length: count }, () => ({
    id: `tasks#${crypto.randomUUID()}`,
    body,
    contentType: 'application/json',
  }));
  for (let from = 0; from < count; from += 1_000) await queues.send('tasks', messages.slice(from, from + 1_000));
  expect(await bytesOf(server)).toBeLessThan(count * (2 * body.length + 300));
  const value = Buffer.from('{"state":"done","sentAt":1795956712377}\n12345');
  for (let left = count; left > 0; ) {
    const taken = await queues.receive('tasks', { max: 1_000, waitMs: 1_000 });
    left -= taken.length;
    await queues.settle(
      taken.map(({ id, receipt }) => ({
        receipt,
        action: 'ack' as const,
        entry: { key: `$task/${id}`, value, ttlMs: 3_600_000 },
      })),
    );
  }
  expect(await bytesOf(server)).toBeLessThan(count * (2 * body.length + 300));
});

test.concurrent('clear leaves the header, the counters and the log position', async () => {
  await using server = await startRedis({ config: ['appendfsync no'] });
  await using transport = await openRedis(parseRedisUrl(server.url));
  await transport.topics.bind('work', 'news.>');
  await transport.topics.publish('news.today', [{ body: new Uint8Array(10) }]);
  await transport.queues.send('other', [{ body: new Uint8Array(10), delayMs: 60_000 }]);
  await transport.kv.put('key', Buffer.from('x'), { ttlMs: 60_000 });
  const incarnation = await server.call('HGET', '{busbar:}:header', 'incarnation');
  await transport.admin.clear();
  expect(await server.call('HGET', '{busbar:}:header', 'incarnation')).not.toBe(incarnation);
  expect(await keys(server)).toEqual(['counters', 'header', 'log', 'log:state']);
});

test.concurrent('a namespace of a newer format is refused', async () => {
  await using server = await startRedis({ config: ['appendfsync no'] });
  const options = parseRedisUrl(server.url);
  await using transport = await openRedis(options);
  expect(await server.call('HGET', '{busbar:}:header', 'format')).toBe('2');
  await server.call('HSET', '{busbar:}:header', 'format', '3');
  await expect(openRedis(options)).rejects.toMatchObject({
    code: 'CONFLICT',
    hint: expect.stringContaining('newer version'),
  });
  await server.call('CLIENT', 'KILL', 'TYPE', 'normal');
  const refused = waitFor(
    async () => {
      const error: unknown = await transport.kv.get('key', { timeoutMs: 200 }).catch((reason: unknown) => reason);
      return (error as Error | undefined)?.message?.includes('format 3') ? error : undefined;
    },
    { what: 'the refusal after the reconnect' },
  );
  expect(await refused).toMatchObject({ code: 'UNAVAILABLE' });
});

test.concurrent('a namespace of an older format is refused if it has data, and used if it is empty', async () => {
  await using server = await startRedis({ config: ['appendfsync no'] });
  const options = parseRedisUrl(server.url);
  await using transport = await openRedis(options);
  await server.call('HSET', '{busbar:}:header', 'format', '1');
  await transport.queues.send('work', [{ body: new Uint8Array(1) }]);
  await expect(openRedis(options)).rejects.toMatchObject({ code: 'CONFLICT', hint: expect.stringContaining('Export') });
  await transport.admin.clear();
  await using again = await openRedis(options);
  expect(await server.call('HGET', '{busbar:}:header', 'format')).toBe('2');
  expect(await again.queues.send('work', [{ body: new Uint8Array(1) }])).toMatchObject([{ status: 'stored' }]);
});

test.concurrent('another client writes the header again with the first data after a removal', async () => {
  await using server = await startRedis({ config: ['appendfsync no'] });
  await using idle = await openRedis(parseRedisUrl(server.url));
  const remove = async (): Promise<void> => {
    await using transport = await openRedis(parseRedisUrl(server.url));
    await transport.admin.clear();
  };
  await remove();
  expect(await keys(server)).toEqual([]);
  await idle.queues.send('work', [{ body: new Uint8Array(1) }]);
  const waiting = idle.queues.receive('other', { waitMs: Number.POSITIVE_INFINITY });
  waiting.catch(() => undefined);
  await waitFor(async () => (await server.call('HGET', '{busbar:}:header', 'format')) === '2', { what: 'the header' });
});

/** The memory of the keys of the unnamed namespace. */
async function bytesOf(server: RedisServer): Promise<number> {
  let bytes = 0;
  for (const name of (await server.call('KEYS', '{busbar:}:*')) as string[]) {
    bytes += Number(await server.call('MEMORY', 'USAGE', name, 'SAMPLES', '0'));
  }
  return bytes;
}

/** The keys of the unnamed namespace. Maintenance adds `maintainers` when it runs. */
async function keys(server: RedisServer): Promise<string[]> {
  const names = (await server.call('KEYS', '{busbar:}:*')) as string[];
  return names
    .map((name) => name.slice('{busbar:}:'.length))
    .filter((name) => name !== 'maintainers')
    .sort();
}

test.concurrent('the id of a long key is kept beside its hash, and leaves with it', async () => {
  await using server = await startRedis();
  await using transport = await openRedis(parseRedisUrl(server.url));
  const id = 'x'.repeat(220);
  await transport.queues.send('work', [{ id, body: Buffer.from('x') }]);
  const [delivery] = await transport.queues.receive('work');
  await transport.queues.settle([{ receipt: delivery?.receipt ?? '', action: 'ack' }]);
  expect(await server.call('HVALS', '{busbar:}:long-ids:work')).toEqual([id]);
  // The window is over.
  const [key = ''] = (await server.call('ZRANGE', '{busbar:}:dedupe:work', '0', '-1')) as string[];
  await server.call('ZADD', '{busbar:}:dedupe:work', '1', key);
  await server.call('ZADD', '{busbar:}:due', '1', 'work');
  await waitFor(async () => (await server.call('EXISTS', '{busbar:}:long-ids:work')) === 0, {
    what: 'the id to be forgotten',
    timeoutMs: 15_000,
  });
});
