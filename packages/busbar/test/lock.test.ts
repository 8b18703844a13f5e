// Commands under a lock or in a slot of a semaphore.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { waitFor } from '@busbar/testbed';
import { describe, expect, test } from 'vitest';
import { onEachBus } from './buses.ts';
import { shell } from './shell.ts';

/** Says that it runs, and waits for a file. */
const HOLD = 'echo "$BUSBAR_TOKEN $BUSBAR_LOCK" > begun; while [ ! -e go ]; do sleep 0.05; done; echo end';

onEachBus((open) => {
  test.concurrent('one holder at a time, with rising tokens and the exit code of the command', async () => {
    await using project = await open();
    const holding = project.start({
      args: ['lock', 'a b/c', '--as', '@first', '--', 'sh', '-c', HOLD],
      timeoutMs: 60_000,
    });
    await waitFor(() => existsSync(project.dir.join('begun')), { what: 'the first holder', timeoutMs: 15_000 });
    const [listed] = await project.json('lock', 'ls');
    expect(listed).toMatchObject({ name: 'a b/c', kind: 'lock', owner: '@first', pid: holding.child.pid });
    expect(await project.out('lock', 'ls')).toMatch(/^NAME +KIND +HOLDER.*\na b\/c +lock +@first \(pid \d+.*\)/);
    const taken = await project.run('lock', 'a b/c', '--wait', '0', '--', 'touch', 'wrong');
    expect(taken).toMatchObject({ code: 6, stdout: '' });
    expect(taken.stderr).toMatch(/held by @first \(process \d+\).*\nhint: Wait longer with --wait/);
    expect(await project.run('lock', 'a b/c', '--wait', '50ms', '--', 'touch', 'wrong')).toMatchObject({ code: 4 });
    const next = project.start({
      args: ['lock', 'a b/c', '--', 'sh', '-c', 'echo "$BUSBAR_TOKEN"; exit 7'],
      timeoutMs: 60_000,
    });
    await next.said('waiting for the lock "a b/c"');
    const first = Number(readFileSync(project.dir.join('begun'), 'utf8').split(' ')[0]);
    writeFileSync(project.dir.join('go'), '');
    expect(await holding.ended).toMatchObject({ code: 0, stdout: 'end\n' });
    const second = await next.ended;
    expect(second.code).toBe(7);
    expect(Number(second.stdout)).toBeGreaterThan(first);
    expect(existsSync(project.dir.join('wrong'))).toBe(false);
    expect(await project.json('lock', 'ls')).toEqual([]);
  });

  test.concurrent('a killed holder blocks others for its time to live, and a lost lock ends the command', async () => {
    await using project = await open();
    const { kv } = project.bus.transport;
    const killed = project.start({ args: ['lock', 'x', '--ttl', '1s', '--', 'sh', '-c', HOLD] });
    await waitFor(() => existsSync(project.dir.join('begun')), { what: 'the holder', timeoutMs: 15_000 });
    killed.child.kill('SIGKILL');
    expect(await project.run('lock', 'x', '--wait', '10s', '--', 'true')).toMatchObject({ code: 0 });
    writeFileSync(project.dir.join('go'), '');

    const losing = project.start({ args: ['lock', 'y', '--ttl', '1s', '--', 'sleep', '60'] });
    await waitFor(() => kv.get('$lock/y'), { what: 'the lock', timeoutMs: 15_000 });
    await kv.delete('$lock/y');
    expect(await losing.ended).toMatchObject({ code: 6, stderr: expect.stringMatching(/lock "y" was lost/) });

    const ending = project.start({ args: ['lock', 'z', '--', 'sleep', '60'] });
    await waitFor(() => kv.get('$lock/z'), { what: 'the lock', timeoutMs: 15_000 });
    ending.child.kill('SIGTERM');
    expect((await ending.ended).code).toBe(143);
    expect(await kv.get('$lock/z')).toBeUndefined();
  });

  test.concurrent('a semaphore has as many holders as permits', async () => {
    await using project = await open();
    const { kv } = project.bus.transport;
    const hold = ['sh', '-c', 'while [ ! -e go ]; do sleep 0.05; done'];
    const two = [1, 2].map(() => project.start({ args: ['semaphore', 'gpu', '-n', '2', '--', ...hold] }));
    await waitFor(async () => (await kv.list('$sem/gpu/')).length === 2, { what: 'two holders', timeoutMs: 15_000 });
    const third = ['semaphore', 'gpu', '-n', '2', '--wait', '0', '--', 'true'];
    expect(await project.run(...third)).toMatchObject({ code: 6, stdout: '' });
    const kinds = (await project.json('lock', 'ls')).map(({ name, kind }) => `${kind} ${name}`);
    expect(kinds).toEqual(['semaphore gpu', 'semaphore gpu']);
    writeFileSync(project.dir.join('go'), '');
    for (const one of two) expect((await one.ended).code).toBe(0);
    expect(await project.run(...third)).toMatchObject({ code: 0 });
  });
});

describe('a bad use of locks', () => {
  test.concurrent.each([
    [['lock'], 2, /NAME\|ls is missing/],
    [['lock', 'x'], 2, /CMD is missing\nhint: Write busbar lock x -- CMD/],
    [['lock', 'x', '--', 'no-such-program'], 3, /no such program/],
    [['lock', 'x', '--ttl', '1ms', '--', 'true'], 2, /--ttl is out of bounds/],
    [['lock', '', '--', 'true'], 2, /lock name/],
    [['semaphore', 'x', '--', 'true'], 2, /--permits is missing/],
    [['semaphore', 'x', '-n', '0', '--', 'true'], 2, /--permits is illegal/],
    [['semaphore', 'x', '-n', '2'], 2, /CMD is missing/],
  ])('%j', async (args, exit, message) => {
    await using sh = shell();
    const { code, stdout, stderr } = await sh.run(...args);
    expect({ code, stdout, stderr }).toEqual({ code: exit, stdout: '', stderr: expect.stringMatching(message) });
    expect(stderr.match(/^hint: ./gm)).toHaveLength(1);
  });
});
