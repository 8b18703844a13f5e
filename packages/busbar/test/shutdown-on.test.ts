// Processes that end by a signal in order.
import { fileURLToPath } from 'node:url';
import { spawnChild, tempDir, waitFor } from '@busbar/testbed';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Bus, connect, shutdownOn } from '../src/index.ts';

const file = fileURLToPath(new URL('./programs/shutdown.ts', import.meta.url));

async function start(drainMs: string) {
  const folder = tempDir();
  onTestFinished(() => folder[Symbol.asyncDispose]());
  const url = `sqlite:${folder.join('bus.db')}`;
  const bus = await connect(url);
  onTestFinished(() => bus.close());
  const child = spawnChild({ file, args: [url, drainMs] });
  onTestFinished(() => child[Symbol.asyncDispose]());
  const task = await bus.enqueue('jobs');
  await waitFor(() => child.stdout.includes('running'), { what: 'the handler', timeoutMs: 20_000 });
  return { child, task };
}

describe('a process that gets SIGTERM', () => {
  test('lets its handler end, closes the bus, and ends by the signal', async () => {
    const { child, task } = await start('20000');
    process.kill(child.pid, 'SIGTERM');
    process.kill(child.pid, 'SIGUSR2');
    expect(await child.exited).toEqual({ code: null, signal: 'SIGTERM' });
    expect(child.stdout.trim().split('\n')).toEqual(['running', 'done', 'before close open']);
    expect(child.stderr).toMatch(/^busbar: beforeClose failed: Error: from beforeClose/);
    expect(await task.status()).toBe('done');
  });

  test('releases the message of a handler that takes too long', async () => {
    const { child, task } = await start('50');
    process.kill(child.pid, 'SIGTERM');
    expect(await child.exited).toEqual({ code: null, signal: 'SIGTERM' });
    expect(child.stdout.trim().split('\n')).toEqual(['running', 'before close open', 'aborted']);
    expect(await task.status()).toBe('queued');
  });

  test('ends at once by a second signal', async () => {
    const { child, task } = await start('60000');
    process.kill(child.pid, 'SIGTERM');
    process.kill(child.pid, 'SIGINT');
    expect((await child.exited).signal).toMatch(/^SIG(TERM|INT)$/);
    expect([child.stdout, await task.status()]).toEqual(['running\n', 'running']);
  });
});

test('bad signals are refused, and the function that it returns undoes it', async () => {
  const bus = { close: () => Promise.resolve() } as unknown as Bus;
  for (const signals of [undefined, [], 'SIGTERM', ['TERM'], ['SIGKILL'], ['toString']]) {
    expect(() => shutdownOn(signals as never, bus)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  }
  const before = process.listenerCount('SIGUSR2');
  shutdownOn(['SIGUSR2'], bus)();
  expect(process.listenerCount('SIGUSR2')).toBe(before);
});
