// Agents that talk in a shell: several recipients, broadcast, threads, waits, logs, fields.
import { describe, expect, test } from 'vitest';
import { onEachBus, type Project } from './buses.ts';
import { shell } from './shell.ts';

interface Received {
  readonly id: string;
  readonly receipt: string;
}

async function register(project: Project, ...names: string[]): Promise<void> {
  for (const name of names) await project.bus.agent(name, { presence: false });
}

onEachBus((open) => {
  test('one message to several agents, and to all', async () => {
    await using project = await open();
    await register(project, '@a', '@b', '@c');
    const id = await project.out('send', '@a,@b', 'stop', '--as', '@c');
    const inboxes = await Promise.all(['@a', '@b'].map((name) => project.json('recv', name, '--ack', 'auto')));
    expect(inboxes).toMatchObject([[{ id, body: 'stop', to: '@a' }], [{ id, body: 'stop', to: '@b' }]]);
    const some = await project.run('send', '@a,@nobody,@b', 'x', '--json');
    expect(some.code).toBe(3);
    expect(
      some.stdout
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as { to: string }).to),
    ).toEqual(['@a', '@b']);
    expect(JSON.parse(some.stderr)).toMatchObject({ error: { code: 'NOT_FOUND' } });
    expect(await project.run('send', '@nobody,@a', 'x', '--key', 'once')).toMatchObject({
      ...{ code: 3, stdout: 'once\n' },
      stderr: expect.stringMatching(/unknown agent @nobody(?:.|\n)*busbar: sent to @a only\n$/),
    });
    const [sent] = await project.json<{ to: string[] }>('broadcast', '{"n":1}', '--type', 'notice', '--as', '@c');
    expect(sent!.to.sort()).toEqual(['@a', '@b']);
    expect(await project.json('recv', '@b', '--max', '9', '--ack', 'auto')).toMatchObject([
      { body: 'x' },
      { type: 'notice', body: { n: 1 }, from: '@c' },
    ]);
    expect(await project.run('broadcast', 'x', '--capability', 'none')).toMatchObject({ code: 5 });
  });

  test('a reply to a message that was acked continues its thread', async () => {
    await using project = await open();
    await project.out('register', '@a');
    await project.out('register', '@b');
    const id = await project.out('send', '@a', 'do it', '--as', '@b');
    await project.out('recv', '@a', '--ack', 'auto');
    const { code, stderr } = await project.run('reply', id, 'done', '--as', '@a');
    expect([code, stderr]).toEqual([3, expect.stringContaining(`busbar reply ${id} BODY --to SENDER --as @a`)]);
    const reply = await project.out('reply', id, 'done', '--to', '@b', '--as', '@a');
    const [received] = await project.json('recv', '@b', '--ack', 'auto');
    expect(received).toMatchObject({ id: reply, from: '@a', type: 'reply', correlationId: id, causationId: id });
    await project.out('reply', id, 'more', '--to', '@b', '--correlation', 'job-1', '--as', '@a');
    expect((await project.json('recv', '@b'))[0]).toMatchObject({ correlationId: 'job-1', causationId: id });
    expect(await project.run('reply', id, 'x', '--correlation', 'c', '--as', '@a')).toMatchObject({ code: 2 });
    expect(await project.run('reply', id, 'x', '--to', '@b', '--failed', '--as', '@a')).toMatchObject({ code: 2 });
    expect(await project.run('reply', id, 'x', '--to', '@none', '--as', '@a')).toMatchObject({ code: 3 });
  });

  test('a reply to a message that asked for nothing is of its thread', async () => {
    await using project = await open();
    await register(project, '@a', '@b');
    const id = await project.out('send', '@a', 'look', '--as', '@b');
    await project.out('recv', '@a');
    const reply = await project.out('reply', id, '{"seen":true}', '--as', '@a', '--type', 'note');
    const [back] = await project.json<Received>('recv', '@b');
    expect(back).toMatchObject({
      id: reply,
      from: '@a',
      type: 'note',
      body: { seen: true },
      correlationId: id,
      causationId: id,
    });
    await project.out('reply', reply, 'thanks', '--as', '@b');
    const [third] = await project.json('recv', '@a');
    expect(third).toMatchObject({ type: 'reply', correlationId: id, causationId: reply });
  });

  test('fields and formats of received messages and taken tasks', async () => {
    await using project = await open();
    await register(project, '@a');
    const body = '{"file":"a b.ts","n":1.10,"list":["x","two\\nlines"]}';
    for (const _ of [1, 2, 3]) await project.out('send', '@a', body);
    const receipt = await project.out('recv', '@a', '--field', 'receipt');
    expect(await project.run('ack', receipt)).toMatchObject({ code: 0 });
    const many = ['--field', 'body.file', '--field', 'body.none', '--field', 'body.list.1', '--field', 'body.n'];
    expect(await project.out('recv', '@a', ...many)).toBe('a b.ts\t\ttwo\\nlines\t1.10');
    const format = '{{attempt}}: {{ .body.file }} of {{to}} {{body.list}}';
    expect(await project.out('recv', '@a', '--format', format)).toBe('1: a b.ts of @a ["x","two\\nlines"]');
    expect(await project.run('recv', '@a', '--format', '{{id}}', '--field', 'id')).toMatchObject({ code: 2 });
    expect(await project.run('recv', '@a', '--format', 'x')).toMatchObject({ code: 2, stdout: '' });
    await project.bus.enqueue('q', 'two\nlines');
    expect(await project.out('task', 'take', 'q', '--field', 'body')).toBe('two\nlines');
  });

  test('wait for an agent', async () => {
    await using project = await open();
    expect(await project.run('wait', 'online', '@late', '--wait', '100ms')).toMatchObject({ code: 4, stdout: '' });
    const online = project.start({ args: ['wait', 'online', '@late', '--json'] });
    await project.bus.agent('@late');
    expect(await online.ended).toMatchObject({ code: 0, stdout: '{"name":"@late","online":true}\n' });
  });

  test('wait for an empty inbox and a handled message', async () => {
    await using project = await open();
    await register(project, '@a');
    const id = await project.out('send', '@a', 'x');
    expect(await project.run('wait', 'empty', '@a', '--wait', '0')).toMatchObject({ code: 4 });
    const waits = ['acked', 'empty'].map((what) =>
      project.start({ args: ['wait', what, '@a', ...(what === 'acked' ? [id] : [])] }),
    );
    const [mail] = await project.json<Received>('recv', '@a');
    await project.out('ack', mail!.receipt);
    for (const one of waits) expect(await one.ended).toMatchObject({ code: 0, stdout: '' });
    const dead = await project.out('send', '@a', 'x');
    await project.out('reject', (await project.json<Received>('recv', '@a'))[0]!.receipt, '--reason', 'no');
    expect(await project.run('wait', 'acked', '@a', dead)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/dead letter: no/),
    });
  });

  test('wait for a task and an event', async () => {
    await using project = await open();
    const { bus } = project;
    const task = await bus.enqueue('q', 1);
    const done = project.start({ args: ['wait', 'done', task.id] });
    await bus.process('q', () => 'made');
    expect(await done.ended).toMatchObject({ code: 0, stdout: 'made\n' });
    const event = project.start({ args: ['wait', 'event', 'deploy.*', '--json', '--wait', '20s'] });
    let ended = false;
    void event.ended.then(() => {
      ended = true;
    });
    while (!ended) {
      await bus.publish('deploy.done', { ok: true });
      await Promise.race([event.ended, new Promise((resolve) => setTimeout(resolve, 20))]);
    }
    expect(JSON.parse((await event.ended).stdout)).toMatchObject({ topic: 'deploy.done', body: { ok: true } });
  });

  test('a log is written and followed', async () => {
    await using project = await open();
    await register(project, '@w');
    await project.out('log', 'info', 'begun', '--as', '@w');
    const following = project.start({ args: ['logs', '@w', '-f', '--level', 'info'] });
    await following.printed('begun');
    await project.out('log', 'debug', 'hidden', '--as', '@w');
    expect(
      await project.use({ args: ['log', 'warn', '--as', '@w', '--json'], input: 'odd \u001b[2J\n' }),
    ).toMatchObject({ code: 0 });
    await following.printed('odd');
    following.child.kill('SIGINT');
    const { code, stdout } = await following.ended;
    expect(code).toBe(130);
    expect(stdout).toMatch(/^[\d:]+ info {2}begun\n[\d:]+ warn {2}odd \\u001b\[2J\n$/);
    expect((await project.json('logs', '@w')).map(({ text }) => text)).toEqual(['begun', 'hidden', 'odd \u001b[2J']);
  });
});

test('an agent is online for wait only while a process is there', async () => {
  await using sh = shell();
  // The heartbeat of this command outlives it.
  await sh.out('register', '@a');
  expect(await sh.run('wait', 'online', '@a', '--wait', '100ms')).toMatchObject({ code: 4 });
  const online = sh.start({ args: ['wait', 'online', '@a'] });
  const receiving = sh.start({ args: ['recv', '@a', '--wait'] });
  expect(await online.ended).toMatchObject({ code: 0 });
  receiving.child.kill('SIGINT');
  await receiving.ended;
});

test('an agent that registers again keeps what is not given', async () => {
  await using sh = shell();
  await sh.out('register', '@a', '--capability', 'review', '--note', 'reads diffs');
  await sh.out('register', '@a', '--lease', '5m');
  expect(await sh.json('agents')).toMatchObject([{ capabilities: ['review'], note: 'reads diffs' }]);
  await sh.out('register', '@a', '--capability', 'test', '--note', 'runs tests');
  expect(await sh.json('agents')).toMatchObject([{ capabilities: ['test'], note: 'runs tests' }]);
});

describe('a bad use of these verbs', () => {
  test.concurrent.each([
    [['broadcast'], 2, /the body is missing/],
    [['send', ',', 'x'], 2, /illegal agent name ""/],
    [['wait', 'soon', 'x'], 2, /unknown action "soon"/],
    [['wait', 'online'], 2, /WHAT is missing/],
    [['wait', 'online', '@a', 'x'], 2, /online takes one argument/],
    [['wait', 'acked', '@a'], 2, /ID is missing/],
    [['wait', 'empty', '@none'], 3, /@none has no mailbox/],
    [['wait', 'empty', 'none'], 0, /there is no queue "none"/],
    [['wait', 'done', 'q#none'], 3, /unknown task/],
    [['wait', 'done', 'x'], 2, /illegal task id/],
    [['log', 'loud', 'x', '--as', '@a'], 2, /LEVEL/],
    [['log', 'info', 'x'], 2, /no agent is given/],
    [['log', 'info', '', '--as', '@a'], 2, /TEXT is empty|the body is missing/],
    [['log', 'info', 'x', '--as', '@none'], 3, /no mailbox/],
  ])('%j', async (args, exit, message) => {
    await using sh = shell();
    const { code, stdout, stderr } = await sh.run(...args);
    expect({ code, stdout, stderr }).toEqual({ code: exit, stdout: '', stderr: expect.stringMatching(message) });
  });
});
