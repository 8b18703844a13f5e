/** Lua patterns preselect topics in scripts, so they must accept every topic that matches. */

import { matchTopic } from '@busbar/api/transport';
import { needServer, startRedis } from '@busbar/testbed';
import { beforeEach, expect, test } from 'vitest';
import { toLuaPattern } from '../src/topics/event-log.ts';

beforeEach(({ skip }) => needServer('redis-server', skip));

const TOKENS = ['a', 'b', 'A', 'a-b', 'a+b', '@a', 'a/b', 'a:b', '~', '_'];
const FIND = 'return string.find(ARGV[1], ARGV[2]) and 1 or 0';

test('a Lua pattern accepts the topics that the pattern matches', async () => {
  await using server = await startRedis({ config: ['appendonly no'] });
  let seed = 7;
  const random = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((seed / 2_147_483_648) * below);
  };
  const words = (wild: boolean): string => {
    const tokens = Array.from({ length: 1 + random(3) }, () => TOKENS[random(TOKENS.length)] as string);
    if (wild && random(2) === 0) tokens[random(tokens.length)] = '*';
    if (wild && random(3) === 0) tokens.push('>');
    return `${random(5) === 0 && tokens[0] !== '*' && tokens[0] !== '>' ? '$' : ''}${tokens.join('.')}`;
  };
  let matched = 0;
  for (let round = 0; round < 500; round += 1) {
    const [pattern, topic] = [words(true), words(false)];
    const found = (await server.call('EVAL', FIND, '0', topic, toLuaPattern(pattern))) === 1;
    expect([pattern, topic, found]).toEqual([pattern, topic, matchTopic(pattern, topic)]);
    if (found) matched += 1;
  }
  expect(matched).toBeGreaterThan(20);
});
