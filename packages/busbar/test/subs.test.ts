// Durable subscriptions in a shell: sub, and subs ls, lag, seek, rm.
import { readFileSync } from 'node:fs';
import { waitFor } from '@busbar/testbed';
import { describe, expect, test } from 'vitest';
import { onEachBus } from './buses.ts';
import { shell } from './shell.ts';

onEachBus((open) => {
  test.concurrent('events are printed and acked, continue after a restart, and are seeked', async () => {
    await using project = await open();
    const { bus } = project;
    await bus.publish('user.login', { n: 1 });
    const start = ['sub', 'user.*', '--durable', 'audit', '--from', 'start', '--count', '2', '--json'];
    const first = project.start({ args: start });
    await first.printed('"n":1');
    await bus.publish('user.logout', { n: 2 });
    const { code, stdout } = await first.ended;
    expect(code).toBe(0);
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toMatchObject([
      { topic: 'user.login', body: { n: 1 }, attempt: 1 },
      { topic: 'user.logout', body: { n: 2 }, attempt: 1 },
    ]);
    await bus.publish('user.login', { n: 3 });
    expect(await project.out('subs', 'lag', 'audit')).toBe('1');
    expect(await project.json('subs', 'ls')).toMatchObject([{ name: 'audit', lag: 1, dead: 0, patterns: ['user.*'] }]);
    expect(await project.out('subs', 'ls')).toMatch(/^NAME +READY +DELAYED.*\naudit +1 +0 +0 +0 +\S+ +user\.\*$/);
    const text = ['sub', 'user.*', '--durable', 'audit', '--until-empty'];
    expect(await project.out(...text)).toMatch(/^[\d:]+ user\.login \{"n":3\}$/);

    const seek = await project.run('subs', 'seek', 'audit', '--from', 'start');
    expect(seek).toMatchObject({ code: 0, stdout: 'audit\n', stderr: expect.stringMatching(/not atomic/) });
    await waitFor(async () => (await project.json('subs', 'lag'))[0]?.['lag'] === 3, {
      what: 'the events',
      timeoutMs: 9_000,
    });
    const illegal = await project.run('subs', 'seek', 'audit', '--after', 'x'.repeat(9));
    expect(illegal.code).toBeGreaterThan(1);
    expect(await project.out('subs', 'lag')).toBe('audit 3');
    expect(await project.run('subs', 'rm', 'audit')).toMatchObject({ code: 6, stdout: '' });
    expect(await project.out('subs', 'rm', 'audit', '--force')).toBe('audit');
    expect(await project.json('subs', 'ls')).toEqual([]);
  });

  test.concurrent('a command handles events; one process at a time, or a group', async () => {
    await using project = await open();
    const { bus } = project;
    const command = [
      '--backoff',
      '10ms',
      '--',
      'sh',
      '-c',
      '[ "$BUSBAR_ATTEMPT" = 1 ] && [ "$(cat)" = bad ] && exit 3; echo "$BUSBAR_TOPIC" >> ran',
    ];
    const alone = project.start({ args: ['sub', 'job.>', '--durable', 'crew', ...command] });
    await alone.said('handling events of crew');
    for (const body of ['good', 'bad']) await bus.publish(`job.${body}`, body);
    const ran = (): string => readFileSync(project.dir.join('ran'), 'utf8');
    await waitFor(() => ran().length > 16, {
      what: 'both events',
      timeoutMs: 10_000,
    });
    expect(ran().split('\n').sort()).toEqual(['', 'job.bad', 'job.good']);
    const grouped = await project.run('sub', 'job.>', '--durable', 'crew', '--group');
    expect(grouped).toMatchObject({
      code: 6,
      stderr: expect.stringMatching(/uses it without --group\nhint: .*--group/),
    });
    const next = project.start({ args: ['sub', 'job.>', '--durable', 'crew', '--until-empty'] });
    await next.said('another process uses crew');
    alone.child.kill('SIGTERM');
    expect((await alone.ended).code).toBe(143);
    expect(await next.ended).toMatchObject({ code: 0, stdout: '' });
    const crew = [1, 2].map(() =>
      project.start({ args: ['sub', 'job.>', '--durable', 'crew', '--group', '--count', '1'] }),
    );
    for (const one of crew) await one.said('handling events');
    await bus.publish('job.a', 1);
    await bus.publish('job.b', 2);
    const ends = await Promise.all(crew.map(({ ended }) => ended));
    expect(ends.map(({ code }) => code)).toEqual([0, 0]);
    expect(ends.map(({ stdout }) => stdout.trim().split(' ')[1]).sort()).toEqual(['job.a', 'job.b']);
  });

  test.concurrent('rm, purge, pause, resume and dead take the names of an agent that people know', async () => {
    await using project = await open();
    const { bus } = project;
    for (const name of ['@bob', 'eve']) await project.out('register', name);
    const sender = await bus.agent('@me', { register: false });
    await sender.send('@bob', 'note', 1);
    expect(await project.json('pause', 'bob')).toEqual([{ name: '@bob', queue: '$inbox.@bob', paused: true }]);
    expect(await project.run('recv', '@bob')).toMatchObject({ code: 4 });
    expect(await project.out('resume', '@bob')).toBe('@bob');
    const [mail] = await project.json<{ receipt: string }>('recv', '@bob');
    await project.out('reject', mail!.receipt, '--reason', 'no');
    for (const name of ['bob', '@bob', '$inbox.@bob'])
      expect(await project.json('dead', 'list', name)).toMatchObject([{ reason: 'no' }]);
    expect(await project.run('rm', 'bob')).toMatchObject({
      code: 6,
      stderr: expect.stringMatching(/1 dead letter\nhint/),
    });
    expect(await project.out('purge', 'bob', '--state', 'dead')).toBe('1 message deleted');
    expect(await project.json('rm', 'bob', '--force')).toEqual([{ name: '@bob', kind: 'agent', removed: true }]);
    expect(await project.run('rm', '@bob')).toMatchObject({ code: 3 });
    expect(await project.out('rm', '@eve', '--force')).toBe('eve');
    expect(await bus.agents()).toEqual([]);
  });

  test.concurrent('rm, purge and dead take the names of a queue and of a subscription', async () => {
    await using project = await open();
    const { bus } = project;
    await bus.enqueueAll('build', [1, 2, 3], (n) => (n === 3 ? { delayMs: 60_000 } : {}));
    expect(await project.json('purge', 'build')).toEqual([{ count: 3 }]);
    await bus.enqueue('build', 1);
    expect(await project.run('rm', 'build')).toMatchObject({ code: 6 });
    expect(await project.json('rm', 'build', '--force')).toEqual([{ name: 'build', kind: 'queue', removed: true }]);
    await (await bus.subscribe('a', () => undefined, { durableName: 'audit' })).close();
    expect(await project.json('dead', 'list', 'audit')).toEqual([]);
    expect(await project.json('rm', 'audit')).toEqual([{ name: 'audit', kind: 'subscription', removed: true }]);
  });
});

describe('a bad use of subscriptions and queues', () => {
  test.concurrent.each([
    [['sub'], 2, /PATTERN is missing/],
    [['sub', 'a'], 2, /--durable is missing\nhint: .*busbar tail/],
    [['sub', 'a', '--durable', 'x', '--count', '1', '--concurrency', '2'], 2, /exclude each other/],
    [['sub', 'a', '--durable', 'x', '--from', 'soon'], 2, /--from is illegal/],
    [['sub', 'a', '--durable', 'x', '--', 'no-such-program'], 3, /no such program/],
    [['subs', 'list'], 2, /unknown action "list"/],
    [['subs', 'ls', 'x'], 2, /ls takes no name/],
    [['subs', 'lag', 'none'], 3, /unknown subscription "none"/],
    [['subs', 'rm'], 2, /NAME is missing/],
    [['subs', 'seek', 'x'], 2, /--from is missing/],
    [['rm'], 2, /QUEUE\|AGENT is missing/],
    [['rm', 'none'], 3, /unknown queue "none"/],
    [['purge', 'none'], 3, /unknown queue/],
    [['purge', 'none', '--state', 'leased'], 2, /--state/],
    [['pause', 'none'], 3, /unknown queue/],
    [['resume', 'a b'], 2, /queue name/],
  ])('%j', async (args, exit, message) => {
    await using sh = shell();
    const { code, stdout, stderr } = await sh.run(...args);
    expect({ code, stdout, stderr }).toEqual({ code: exit, stdout: '', stderr: expect.stringMatching(message) });
  });
});
