// A worker thread that uses a bus can be terminated at any time: the process goes on, and finishes the task of the thread.
import { fileURLToPath } from 'node:url';
import { needServer, runNode, startNats, startRedis, tempDir } from '@busbar/testbed';
import { expect, test } from 'vitest';

const file = fileURLToPath(new URL('./programs/terminate.ts', import.meta.url));

test.concurrent.each([
  ['memory:', 'working; handled 1'],
  ['sqlite:$/bus.db', 'working; handled 2'],
  ['unix:$/bus.sock?idleMs=500', 'working; handled 2'],
  ['ws:$/bus.ws?idleMs=500', 'working; handled 2'],
  // It would abort the process.
  ['zmq:ipc://$/bus.zmq?idleMs=500', 'UNSUPPORTED; handled 1'],
])(
  'over %s',
  async (pattern, said) => {
    await using folder = tempDir();
    expect(await terminate(pattern.replace('$', folder.path))).toBe(said);
  },
  90_000,
);

for (const [name, start, program] of [
  ['redis', startRedis, 'redis-server'],
  ['nats', startNats, 'nats-server'],
] as const) {
  test.concurrent(`over ${name}`, async ({ skip }) => {
    needServer(program, skip);
    await using server = await start();
    expect(await terminate(server.url)).toBe('working; handled 2');
  }, 90_000);
}

async function terminate(url: string): Promise<string> {
  const { code, stdout, stderr } = await runNode({ file, args: [url], timeoutMs: 80_000 });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout.trim().replace('the thread was ', '');
}
