import { isAlive, runNode, spawnChild, waitFor } from '@busbar/testbed';
import { expect, test } from 'vitest';

const program = (name: string): URL => new URL(`./programs/${name}.ts`, import.meta.url);

test('a child gets arguments, environment and bytes, and replies', async () => {
  await using child = spawnChild({ file: program('echo'), args: ['a', '--b'], env: { GREETING: 'hello' } });
  expect(await child.next()).toEqual({ started: ['a', '--b'], greeting: 'hello' });
  child.send({ bytes: new Uint8Array([0, 255]) });
  expect(await child.next()).toEqual({ echo: { bytes: new Uint8Array([0, 255]) } });
  expect(child.messages).toHaveLength(2);
});

test('next takes the first that matches and leaves the others', async () => {
  await using child = spawnChild({ file: program('echo') });
  for (const n of [1, 2, 3]) child.send({ n });
  const echo = await child.next<{ echo: { n: number } }>((message) => message.echo?.n === 2);
  expect(echo.echo.n).toBe(2);
  expect(await child.next()).toHaveProperty('started');
  expect(await child.next()).toEqual({ echo: { n: 1 } });
  await expect(child.next(() => false, { timeoutMs: 10 })).rejects.toThrow(/nothing that matches within 10 ms/);
});

test('a listener gets every message, and none is kept', async () => {
  const heard: unknown[] = [];
  await using child = spawnChild({ file: program('echo'), onMessage: (message) => heard.push(message) });
  child.send({ n: 1 });
  await waitFor(() => heard.length === 2, { what: 'the answer' });
  expect(heard[1]).toEqual({ echo: { n: 1 } });
  expect(child.messages).toEqual([]);
});

test('a failing child rejects its waiters with its errors', async () => {
  await using child = spawnChild({ file: program('echo') });
  child.send({ fail: 'out of paper' });
  await expect(child.next((message) => message === 'never')).rejects.toThrow(/ended with 1[\s\S]*out of paper/);
  expect(await child.exited).toEqual({ code: 1, signal: null });
  child.send('nobody is there');
  await child.next((message) => message !== 'never');
  await expect(child.next()).rejects.toThrow(/ended with 1/);
});

test('a child is killed, and restarted with the same arguments', async () => {
  await using child = spawnChild({ file: program('echo'), args: ['again'] });
  await child.next();
  const before = child.pid;
  expect(await child.kill()).toEqual({ code: null, signal: 'SIGKILL' });
  await child.restart();
  expect(await child.next()).toMatchObject({ started: ['again'] });
  expect(child.pid).not.toBe(before);
});

test('a paused child is stopped until it is resumed', async () => {
  await using child = spawnChild({ file: program('echo') });
  await child.next();
  child.stop();
  child.send({ n: 1 });
  await expect(child.next(undefined, { timeoutMs: 50 })).rejects.toThrow(/nothing/);
  child.cont();
  expect(await child.next()).toEqual({ echo: { n: 1 } });
});

test('children end when their parent is killed', async () => {
  expect(isAlive(process.pid)).toBe(true);
  await using parent = spawnChild({ file: program('nest') });
  const { pid } = await parent.next<{ pid: number }>();
  await parent.kill();
  await waitFor(() => !isAlive(pid), { what: 'the grandchild to end' });
});

test('a program runs to its end, with input, output and status', async () => {
  const outcome = await runNode({ file: program('upper'), input: 'quiet' });
  expect(outcome).toEqual({ code: 3, signal: null, stdout: 'QUIET', stderr: 'done' });
  await expect(runNode({ file: program('nest'), timeoutMs: 10 })).rejects.toThrow(/did not end within 10 ms/);
});
