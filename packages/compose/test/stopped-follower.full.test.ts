// A follower that is stopped while the bus moves away and comes back: its store was emptied and filled again meanwhile.
import type { Transport } from '@busbar/api/transport';
import { spawnChild, startRedis, tempDir } from '@busbar/testbed';
import { openRedis, parseRedisUrl } from '@busbar/transport-redis';
import { openSqlite } from '@busbar/transport-sqlite';
import { expect, test } from 'vitest';
import { moveBus } from '../src/index.ts';

const body = Buffer.from('x');
const program = new URL('./programs/stopped-follower.ts', import.meta.url);

test.each([
  { to: 'sqlite', from: 'the source' },
  { to: 'sqlite', from: 'the target' },
  { to: 'redis', from: 'the source' },
  { to: 'redis', from: 'the target' },
])(
  'a follower that is stopped in $from sees each event once after a move to $to and back',
  {
    timeout: 120_000,
  },
  async ({ to, from }) => {
    await using dir = tempDir('busbar-stopped-follower');
    await using server = await startRedis();
    const files = [dir.join('a.db'), to === 'redis' ? server.url : dir.join('b.db')] as const;
    await using a = await openSqlite({ file: files[0] });
    await using b = await (to === 'redis' ? openRedis(parseRedisUrl(server.url)) : openSqlite({ file: files[1] }));
    const there = { from: { transport: a, name: 'a' }, to: { transport: b, name: 'b' } };
    const back = { from: there.to, to: there.from };
    const published: string[] = [];
    const publish = async ({ topics }: Transport): Promise<void> => {
      for (let index = 0; index < 5; index += 1) {
        const id = `e${published.length}`;
        await topics.publish('news', [{ id, body }]);
        published.push(id);
      }
    };
    await a.topics.publish('news', [{ id: 'before', body }]);
    await a.kv.put('key', body);
    await using child = spawnChild({ file: program, args: files });
    await child.next((message) => message === 'ready', { timeoutMs: 30_000 });
    const seen: string[] = [];
    const seesAll = async (): Promise<void> => {
      while (seen.length < published.length) seen.push((await child.next<{ saw: string }>()).saw);
      expect(seen).toEqual(published);
    };
    await publish(a);
    await seesAll();
    const [first, second] = from === 'the source' ? [there, back] : [back, there];
    if (from === 'the target') {
      await moveBus(there);
      await publish(b);
      await seesAll();
    }
    child.stop();
    for (const ends of [first, second]) {
      await moveBus(ends);
      await publish(ends.to.transport);
    }
    child.cont();
    await seesAll();
    await publish(second.to.transport);
    await seesAll();
    // It still follows.
    await moveBus(first);
    await publish(first.to.transport);
    await seesAll();
  },
);
