// Bridges from a shell, between real stores.
import { readFileSync } from 'node:fs';
import { needServer, startRedis } from '@busbar/testbed';
import { expect, test } from 'vitest';
import { connect, connectTransport } from '../src/index.ts';
import { type Shell, type Started, shell } from './shell.ts';

const LONG = 90_000;
const body = Buffer.from('x');

/** Starts a bridge and waits until it has said so. */
async function start(sh: Shell, ...args: string[]): Promise<Started> {
  // It waits for the leases of one that was killed.
  const started = sh.start({ args: ['bridge', ...args], timeoutMs: LONG });
  await started.said('a bridge from');
  return started;
}

test('a bridge that is killed, and a server that restarts: nothing is lost, doubled or out of order', {
  timeout: LONG,
}, async ({ skip }) => {
  needServer('redis-server', skip);
  await using sh = shell();
  await using redis = await startRedis();
  const from = `sqlite:${sh.dir.join('one.db')}`;
  await using one = await connectTransport(from);
  await using two = await connectTransport(redis.url);
  await one.queues.configure('work', { leaseMs: 1_000, maxAttempts: 20 });
  const args = [from, redis.url, '--queues', 'work', '--topics', 'news.*'];
  const first = await start(sh, ...args);
  await expect.poll(() => one.admin.bindings()).toHaveLength(1);
  const total = 3_000;
  const ids = Array.from({ length: total }, (_, index) => `m${index}`);
  const sendAll = async (): Promise<void> => {
    for (let at = 0; at < total; at += 20) {
      const some = ids.slice(at, at + 20).map((id) => ({ id, body }));
      await Promise.all([one.queues.send('work', some), one.topics.publish('news.a', some)]);
      // The bridge is killed and the server restarts while messages are under way.
      await new Promise(setImmediate);
    }
  };
  const arrived = async (): Promise<number> => (await two.admin.queues({ names: ['work'] }))[0]?.ready ?? 0;
  const sending = sendAll();
  await expect.poll(arrived, { timeout: 10_000 }).toBeGreaterThan(0);
  first.child.kill('SIGKILL');
  await first.ended;
  const second = await start(sh, ...args);
  await sending;
  const before = await arrived();
  await expect.poll(arrived, { timeout: 15_000 }).toBeGreaterThan(before);
  await redis.kill();
  await redis.start();
  await expect.poll(arrived, { timeout: 20_000 }).toBe(total);
  await expect
    .poll(async () => (await two.admin.topics()).find(({ name }) => name === 'news.a')?.events, { timeout: 40_000 })
    .toBe(total);
  second.child.kill('SIGTERM');
  expect((await second.ended).code).toBe(143);
  const inQueue: string[] = [];
  for (let after: string | undefined; ; ) {
    const page = await two.admin.browse('work', { limit: 1_000, after });
    inQueue.push(...page.messages.map(({ message }) => message.id));
    if (page.next === undefined) break;
    after = page.next;
  }
  expect(inQueue).toEqual(ids);
  const events: string[] = [];
  await two.topics.subscribe('news.*', { from: 'start' }, (some) => void events.push(...some.map(({ id }) => id)));
  await expect.poll(() => events.length).toBe(total);
  expect(events).toEqual(ids);
  const left = await one.admin.queues();
  expect(left.map(({ ready, leased, dead }) => [ready, leased, dead])).toEqual([
    [0, 0, 0],
    [0, 0, 0],
  ]);
});

test('it says what it does as JSON and at the end, and SIGTERM lets nothing half done', { timeout: LONG }, async () => {
  await using sh = shell();
  await sh.out('task', 'add', 'build', '1', '--url', 'sqlite:./one.db');
  await sh.out('register', '@a', '--url', 'sqlite:./one.db');
  await sh.out('send', '@a', 'hello', '--url', 'sqlite:./one.db');
  const ends = ['sqlite:./one.db', 'sqlite:./two.db'] as const;
  const plain = await start(sh, ...ends, '--queues', 'build,@a');
  await expect
    .poll(async () => (await sh.run('recv', '@a', '--url', ends[1])).stdout, { timeout: 10_000 })
    .toContain('hello');
  expect((await sh.run('bridge', ...ends, '--queues', 'build')).stderr).toMatch(
    /runs already: process \d+ on .*\nhint: End that one first/,
  );
  plain.child.kill('SIGTERM');
  expect(await plain.ended).toMatchObject({ code: 143, stdout: 'forwarded 2 messages and 0 events\n' });
  await sh.out('task', 'add', 'build', '2', '--url', ends[0]);
  const json = sh.start({ args: ['bridge', ...ends, '--queues', 'build', '--json'] });
  await json.printed('"messages":1');
  json.child.kill('SIGINT');
  const { code, stdout, stderr } = await json.ended;
  expect({ code, stderr }).toEqual({ code: 130, stderr: '' });
  expect(JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '')).toEqual({
    ...{ messages: 1, events: 0, duplicates: 0, returned: 0, dead: 0 },
  });
  await sh.out('publish', 'news', '1', '--url', ends[0]);
  expect(await sh.out('bridge', ...ends, '--remove')).toBe('0 events deleted');
});

test('wrong input is refused with what to do', { timeout: LONG }, async () => {
  await using sh = shell();
  const one = 'sqlite:./one.db';
  const refusals: [args: string[], stderr: RegExp][] = [
    [[one], /TO is missing|TO/],
    [[one, 'sqlite:./two.db'], /nothing to forward\n.*--queues/],
    [[one, 'sqlite:one.db', '--queues', 'a'], /are the same store\n.*hub/],
    [['unix', 'sqlite:./.busbar/bus.db', '--queues', 'a'], /are the same store\n.*hub/],
    [[one, 'nowhere', '--queues', 'a'], /unknown bus/],
    [[one, 'sqlite:./two.db', '--topics', 'a.>.b'], /pattern "a\.>\.b" has the illegal token/],
    [[one, 'sqlite:./two.db', '--queues', 'a', '--both'], /both is for topics/],
    [[one, 'sqlite:./two.db', '--queues', 'a', '--remove'], /--remove forwards nothing/],
  ];
  for (const [args, text] of refusals) {
    const { code, stdout, stderr } = await sh.run('bridge', ...args);
    expect({ code, stdout, stderr }, args.join(' ')).toEqual({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(text),
    });
  }
});

test('the gradual move of the runbook', { timeout: LONG }, async () => {
  await using sh = shell();
  const runbook = readFileSync(new URL('../../../docs/bridge.md', import.meta.url), 'utf8');
  const commands = [...runbook.slice(runbook.indexOf('## A gradual move')).matchAll(/^ +busbar (.*)$/gm)].map(
    ([, line = '']) => line.replaceAll("'", '').replace('redis', 'sqlite:./two.db').split(' '),
  );
  const [bridge = [], stats = [], dead = [], remove = []] = commands;
  expect(commands).toHaveLength(4);
  await sh.out('task', 'add', 'build', '1');
  const started = sh.start({ args: bridge });
  await started.said('a bridge from');
  await using two = await connect(`sqlite:${sh.dir.join('two.db')}`);
  const done = Promise.withResolvers<unknown>();
  await two.process('build', ({ body: task }) => done.resolve(task));
  expect(await done.promise).toBe(1);
  const seen = Promise.withResolvers<unknown>();
  await two.subscribe('build.*', ({ body: event }) => seen.resolve(event));
  await sh.out('publish', 'build.done', '7');
  expect(await seen.promise).toBe(7);
  expect(await sh.out(...stats)).toMatch(/build +0 +0 +0 +\d+ +0 +0 .*tasks/);
  expect((await sh.run(...dead)).stderr).toContain('no dead letters');
  started.child.kill('SIGTERM');
  expect((await started.ended).code).toBe(143);
  expect(await sh.out(...remove)).toBe('0 events deleted');
});
