/** The channels of watches: a watch gets the changes of keys that begin like its prefix. */

import { needServer, startRedis, waitFor } from '@busbar/testbed';
import { beforeEach, expect, test } from 'vitest';
import { openRedis, parseRedisUrl } from '../src/index.ts';

beforeEach(({ skip }) => needServer('redis-server', skip));

test('watches of short, long and non-ASCII prefixes get their changes, and no message of other keys', async () => {
  await using server = await startRedis({ config: ['appendfsync no'] });
  await using transport = await openRedis(parseRedisUrl(server.url));
  const { kv } = transport;
  const seen = new Map<string, string[]>();
  const watch = async (prefix: string) => {
    const keys: string[] = [];
    seen.set(prefix, keys);
    return kv.watch(prefix, (changes) => {
      for (const change of changes) if (change.kind === 'put') keys.push(change.entry.key);
    });
  };
  const one = await watch('settings/a/');
  for (const prefix of ['set', 'settings/b/', 'ключ/', 'settings/a/x']) await watch(prefix);
  await one.close();
  const keys = ['settings/a/1', 'settings/a/x1', 'settings/b/1', 'ключ/1', 'sett', 'others/1', 'set'];
  for (const key of keys) await kv.put(key, Buffer.from('x'));
  await waitFor(() => seen.get('set')?.at(-1) === 'set', { what: 'the last change' });
  await waitFor(() => seen.get('settings/b/')?.length === 1 && seen.get('settings/a/x')?.length === 1, {
    what: 'the changes of long prefixes',
  });
  expect(Object.fromEntries(seen)).toEqual({
    'settings/a/': [],
    set: ['settings/a/1', 'settings/a/x1', 'settings/b/1', 'sett', 'set'],
    'settings/b/': ['settings/b/1'],
    'ключ/': ['ключ/1'],
    'settings/a/x': ['settings/a/x1'],
  });
  const channels = (await server.call('PUBSUB', 'SHARDCHANNELS')) as unknown[];
  expect(channels.map(String).sort()).toEqual(['{busbar:}:kv', '{busbar:}:kv:settings']);
});
