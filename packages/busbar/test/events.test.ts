// Events from a shell: publish and tail.
import { describe, expect, test } from 'vitest';
import { shell } from './shell.ts';

interface Event {
  readonly topic: string;
  readonly body: unknown;
  readonly position: string;
}

describe('publish and tail', () => {
  test.concurrent('stored events are replayed, and --stop-at-end ends', async () => {
    await using sh = shell();
    await sh.out('publish', 'user.login', '{"id":1}', '--as', '@a');
    await sh.out('publish', 'user.logout', '{"id":1}');
    await sh.out('publish', 'build.done', 'green');
    const all = await sh.json<Event>('tail', '--from', 'start', '--stop-at-end');
    expect(all.map(({ topic, body }) => [topic, body])).toEqual([
      ['user.login', { id: 1 }],
      ['user.logout', { id: 1 }],
      ['build.done', 'green'],
    ]);
    expect(all[0]).toMatchObject({ from: '@a', id: expect.any(String), position: expect.any(String) });
    const some = await sh.json<Event>('tail', 'user.*', '--after', all[0]!.position, '--stop-at-end');
    expect(some.map(({ topic }) => topic)).toEqual(['user.logout']);
    expect(await sh.json('tail', '--from', '10m', '--count', '2')).toHaveLength(2);
    expect(await sh.json('tail', 'other.>', '--from', 'start', '--stop-at-end')).toEqual([]);
    expect(await sh.run('tail', '--stop-at-end')).toMatchObject({ code: 0, stdout: '', stderr: '' });
  });

  test.concurrent('new events are printed at once, until --count is reached', async () => {
    await using sh = shell();
    await sh.out('publish', 'a.b', 'first');
    const tailing = sh.start({ args: ['tail', 'a.*', '--from', 'start', '--count', '3', '--json'] });
    await tailing.printed('first');
    for (const body of ['second', 'third', 'fourth']) await sh.out('publish', 'a.b', body);
    const { code, stdout, stderr } = await tailing.ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const events = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Event);
    expect(events.map(({ body }) => body)).toEqual(['first', 'second', 'third']);
  });

  test.concurrent('--raw and --plain', async () => {
    await using sh = shell();
    await sh.out('publish', 'a', '{"x":1}', '--as', '@p');
    await sh.out('publish', 'a', 'two\nlines \u001b[31m');
    expect(await sh.out('tail', '--from', 'start', '--stop-at-end', '--raw')).toBe('{"x":1}\ntwo\nlines \u001b[31m');
    const plain = (await sh.out('tail', '--from', 'start', '--stop-at-end', '--plain')).split('\n');
    expect(plain).toEqual([
      expect.stringMatching(/^\d\d:\d\d:\d\d a @p \{"x":1\}$/),
      expect.stringMatching(/^\d\d:\d\d:\d\d a @cli\.\S+ two\\nlines \\u001b\[31m$/),
    ]);
  });

  test.concurrent('Ctrl-C ends it with 130; a closed pipe ends it silently', async () => {
    await using sh = shell();
    await sh.out('publish', 'a', 'first');
    const interrupted = sh.start({ args: ['tail', '--from', 'start', '--json'] });
    await interrupted.printed('first');
    interrupted.child.kill('SIGINT');
    expect(await interrupted.ended).toMatchObject({ code: 130, stderr: '' });
    const left = sh.start({ args: ['tail', '--from', 'start', '--json'] });
    await left.printed('first');
    left.child.stdout?.destroy();
    await sh.out('publish', 'a', 'second');
    expect(await left.ended).toMatchObject({ code: 0, stderr: '' });
  });

  test.concurrent('a position of another store is refused', async () => {
    await using sh = shell();
    await sh.out('publish', 'a', '1');
    for (const args of [['--stop-at-end'], ['--count', '1']]) {
      const { code, stderr } = await sh.run('tail', '--after', 'nonsense', ...args);
      expect(code).toBe(2);
      expect(stderr).toMatch(/position/);
      expect(stderr).toMatch(/^hint: .*--from now/m);
      expect(stderr).not.toMatch(/\bnew\b/);
    }
  });

  test.concurrent.each(['', 'a b', '$x', 'a..b', 'a.*', 'x'.repeat(256)])('the topic %j is refused', async (topic) => {
    await using sh = shell();
    const { code, stdout, stderr } = await sh.run('publish', topic, 'x');
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^busbar: topic .*\nhint: /);
  });

  test.concurrent('duplicates, ephemeral events, JSON', async () => {
    await using sh = shell();
    expect(await sh.json('publish', 'a', '1', '--key', 'k')).toMatchObject([
      { id: 'k', status: 'stored', topic: 'a', position: expect.any(String) },
    ]);
    expect(await sh.json('publish', 'a', '1', '--key', 'k')).toMatchObject([{ id: 'k', status: 'duplicate' }]);
    await sh.out('publish', 'a', '2', '--ephemeral');
    expect(await sh.json('tail', '--from', 'start', '--stop-at-end')).toHaveLength(1);
  });
});
