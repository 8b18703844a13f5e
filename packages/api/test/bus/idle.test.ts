/** What keeps the process alive: an idle bus does not, what waits does. */

import { runNode, tempDir } from '@busbar/testbed';
import { expect, test } from 'vitest';

const file = new URL('../programs/idle.ts', import.meta.url);

const WAITS = [
  ...['an agent', 'a handler of an agent without presence', 'a receive by hand'],
  ...['a subscription', 'a durable subscription', 'a worker', 'a watch of agents', 'a watch of keys'],
  ...['a handle that waits for a result', 'work under a lock', 'a wait for a lock'],
  ...['a scheduler', 'a scheduler that waits for another one'],
];
const RESTS = [
  ...['nothing', 'an agent that only sends', 'a paused worker', 'a task that waits for a worker'],
  ...['a lock that is held', 'a schedule', 'a message in hand', 'a request that is answered'],
];

test.each(['memory', 'sqlite'])(
  'on %s an idle bus does not keep the process alive, and each wait does',
  async (kind) => {
    await using folder = tempDir();
    const { code, stdout, stderr } = await runNode({ file, args: [kind, folder.join('bus.db')], timeoutMs: 50_000 });
    expect([code, stderr]).toEqual([0, '']);
    const seen = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(seen).toEqual([
      ...WAITS.map((name) => ({ name, held: true, free: true })),
      ...RESTS.map((name) => ({ name, held: false, free: true })),
    ]);
  },
);
