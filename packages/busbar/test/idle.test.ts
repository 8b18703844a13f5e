// Programs that do not close their bus: an idle one ends by itself, one that waits for something goes on.
import { fileURLToPath } from 'node:url';
import { freePort, needServer, runNode, spawnChild, startNats, startRedis, tempDir, waitFor } from '@busbar/testbed';
import { expect, test } from 'vitest';
import { connect } from '../src/index.ts';
import { bin } from './shell.ts';

const file = fileURLToPath(new URL('./programs/idle.ts', import.meta.url));

/** A server that tests can kill and start again. */
interface Server extends AsyncDisposable {
  readonly url: string;
  kill(): Promise<unknown>;
  start(): Promise<unknown>;
}

async function startHub(): Promise<Server> {
  const folder = tempDir();
  const url = `ws://127.0.0.1:${await freePort()}/bus`;
  const child = spawnChild({ file: bin, args: ['hub', '--store', `sqlite:${folder.join('bus.db')}`, '--listen', url] });
  const whenUp = async (): Promise<void> => (await connect(url, { waitForServerMs: 15_000 })).close();
  await whenUp();
  return {
    url,
    kill: () => child.kill(),
    start: async () => {
      await child.restart();
      await whenUp();
    },
    [Symbol.asyncDispose]: async () => {
      await child.kill();
      await folder[Symbol.asyncDispose]();
    },
  };
}

const servers = [
  ['redis', startRedis, 'redis-server'],
  ['nats', startNats, 'nats-server'],
  ['ws', startHub, undefined],
] as const;

for (const [name, start, program] of servers) {
  test(`over ${name} it ends when idle, and waits through an outage`, async ({ skip }) => {
    if (program !== undefined) needServer(program, skip);
    await using server: Server = await start();
    const { url } = server;
    expect(await use(url)).toEqual(USED);
    await using waiting = spawnChild({ file, args: [url, 'waits'] });
    await using resting = spawnChild({ file, args: [url, 'rests'] });
    for (const child of [waiting, resting]) await printed(child, 'waiting');
    await server.kill();
    for (const child of [waiting, resting]) await printed(child, 'reconnecting');
    expect(await resting.exited).toEqual({ code: 0, signal: null });
    await server.start();
    await printed(waiting, 'open');
    await using bus = await connect(url);
    await bus.publish('news', 'late');
    expect(await waiting.exited).toEqual({ code: 0, signal: null });
    expect(waiting.stdout).toContain('event late');
  }, 60_000);
}

test.each(['memory:', 'sqlite:$/bus.db', 'unix:$/bus.sock?idleMs=500', 'zmq:ipc://$/bus.zmq?idleMs=500'])(
  'over %s it ends when idle, though the hub that it started goes on',
  async (pattern) => {
    await using folder = tempDir();
    const url = pattern.replace('$', folder.path);
    expect(await use(url)).toEqual({ ...USED, idleExit: !pattern.startsWith('zmq') });
    if (pattern === 'memory:') return;
    await using bus = await connect(url);
    const { queues } = await bus.stats();
    const counts = queues.map(({ name, ready, delayed }) => [name, ready, delayed]);
    expect(counts).toContainEqual(['$inbox.@answers', 1, 0]);
    expect(counts).toContainEqual(['later', 0, 2]);
  },
  60_000,
);

const USED = { sum: 2, product: 8, length: 2, idleExit: true };

async function use(url: string): Promise<unknown> {
  const { code, stdout, stderr } = await runNode({ file, args: [url, 'uses'], timeoutMs: 30_000 });
  expect([code, stderr]).toEqual([0, '']);
  return JSON.parse(stdout);
}

async function printed(child: { readonly stdout: string }, text: string): Promise<void> {
  await waitFor(() => child.stdout.includes(text), { what: `the program to print ${text}`, timeoutMs: 30_000 });
}
