// Schedules in a shell.
import { expect, test } from 'vitest';
import { onEachBus } from './buses.ts';
import { shell } from './shell.ts';

onEachBus((open) => {
  test.concurrent('a schedule is added, and fired by a process that serves', async () => {
    await using project = await open();
    const agent = await project.bus.agent('@a');
    const add = ['schedule', 'add', 'mail', '--every', '1s', '--to', '@a', '{"all":1.10}', '-H', 'team=a'];
    const added = await project.run(...add);
    expect(added).toMatchObject({ code: 0, stdout: 'mail\n', stderr: expect.stringContaining('schedule serve') });
    const server = project.start({ args: ['schedule', 'serve'] });
    await server.said('fires schedules');
    const [mail] = await agent.receive({ waitMs: 15_000 });
    expect(mail).toMatchObject({
      type: 'message',
      body: { all: 1.1 },
      headers: { 'schedule-name': 'mail', team: 'a' },
    });
    await mail?.ack();
    const list = await project.run('schedule', 'ls');
    expect(list).toMatchObject({ code: 0, stderr: '' });
    expect(list.stdout).toMatch(/^NAME +WHEN +TARGET +NEXT +LAST\nmail +every 1s +to @a +\S/);
    server.child.kill('SIGTERM');
    expect(await server.ended).toMatchObject({ code: 143 });
    expect(await project.bus.schedules.holder()).toBeUndefined();
  });

  test.concurrent('a process that works fires schedules, too, if it is asked to', async () => {
    await using project = await open();
    await project.bus.schedules.put('soon', { everyMs: 200, queue: 'report', body: 1 });
    const worker = project.start({ args: ['work', 'report', '--schedules', '--json', '--', 'true'] });
    await worker.printed('"outcome":"done"');
    worker.child.kill('SIGTERM');
    expect(await worker.ended).toMatchObject({ code: 143 });
    expect(await project.bus.schedules.holder()).toBeUndefined();
  });

  test.concurrent('a schedule is listed, paused, run, resumed and removed', async () => {
    await using project = await open();
    const cron = { cron: '0 2 * * *', timeZone: 'Europe/Berlin' };
    await project.bus.schedules.put('nightly', { ...cron, queue: 'report', body: 1 });
    expect(await project.out('schedule', 'pause', 'nightly')).toBe('nightly');
    expect(await project.json('schedule', 'ls')).toMatchObject([{ name: 'nightly', ...cron, paused: true }]);
    const id = await project.out('schedule', 'run', 'nightly');
    const [task] = await project.bus.takeTasks('report', { waitMs: 5_000 });
    expect(task).toMatchObject({ id, body: 1 });
    await task?.done();
    expect(await project.json('schedule', 'resume', 'nightly')).toMatchObject([{ paused: false }]);
    expect(await project.out('schedule', 'rm', 'nightly')).toBe('nightly');
    expect(await project.run('schedule', 'rm', 'nightly')).toMatchObject({ code: 3, stdout: '' });
  });
});

test.concurrent.each([
  [['add'], 'NAME is missing'],
  [['add', 'x', '--every', '1h'], 'one of queue, topic and to'],
  [['add', 'x', '--queue', 'q'], 'cron or everyMs'],
  [['add', 'x', '--queue', 'q', '--cron', '* * *'], 'five or six fields'],
  [['add', 'x', '--queue', 'q', '--every', '1h', '--start', 'soon'], '--start'],
  [['ls', 'x'], 'ls takes no name'],
  [['stop', 'x'], 'unknown action'],
])('schedule %j is refused', async (args, text) => {
  await using sh = shell();
  expect(await sh.run('schedule', ...args)).toMatchObject({
    code: 2,
    stdout: '',
    stderr: expect.stringContaining(text),
  });
});
