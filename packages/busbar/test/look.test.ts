// Looking at a bus: top, agents, queues, topics, peek, ping, stats. Nothing is received or created.
import { describe, expect, test } from 'vitest';
import { overview, verbHelp } from '../src/cli/help.ts';
import { BROWSED_HEADINGS } from '../src/cli/output/browsed-view.ts';
import { widthOf } from '../src/cli/output/printable.ts';
import { tableLines } from '../src/cli/output/table.ts';
import { VERB_GROUPS } from '../src/cli/verbs.ts';
import { onEachBus, type Project } from './buses.ts';
import { shell } from './shell.ts';

interface Queue {
  readonly queue: string;
  readonly kind: string;
  readonly [count: string]: unknown;
}

/** A queue with a message in each state. */
async function fill({ bus }: Project): Promise<void> {
  await bus.process('build', () => undefined, { concurrency: 1 }).then((worker) => worker.close());
  for (const [body, options] of [
    ['expired', { ttlMs: 1 }],
    ['dead', {}],
    ['held', {}],
    ['done', {}],
  ] as const) {
    await bus.enqueue('build', body, options);
  }
  const { queues } = bus.transport;
  for (const action of ['reject', 'hold', 'ack'] as const) {
    const [delivery] = await queues.receive('build', { waitMs: 5_000, consumer: 'w' });
    const receipt = delivery?.receipt ?? '';
    if (action === 'ack') await queues.settle([{ receipt, action }]);
    if (action === 'reject') await queues.settle([{ receipt, action, reason: 'no such file' }]);
  }
  await bus.enqueue('build', 'later', { delayMs: 600_000 });
  await bus.enqueue('build', { file: 'a.ts' });
}

onEachBus((open) => {
  test('queues: one word for each state, expired ones are counted', async () => {
    await using project = await open();
    await fill(project);
    await project.out('register', '@a');
    await project.out('send', '@a', '1');
    const found = await project.json<Queue>('queues');
    expect(found.map(({ queue, kind }) => `${queue} ${kind}`)).toEqual(['@a inbox', 'build tasks']);
    expect(found[1]).toMatchObject({ ready: 1, delayed: 1, held: 1, done: 1, expired: 1, dead: 1, sent: 6 });
    const text = await project.out('queues', '--kind', 'tasks');
    expect(text).toMatch(
      /^QUEUE +READY +DELAYED +HELD +DONE +EXPIRED +DEAD +OLDEST +KIND +NOTE\nbuild +1 +1 +1 +1 +1 +1 /,
    );
    expect((await project.json<Queue>('queues', '@a'))[0]).toMatchObject({ queue: '@a', ready: 1 });
    expect(await project.run('queues', 'bild')).toMatchObject({ code: 3, stderr: /Did you mean build\?/ });
    expect(await project.run('queues', '--kind', 'x')).toMatchObject({ code: 2 });
    expect(await project.out('stats')).toMatch(/READY +DELAYED +HELD +DONE +EXPIRED +DEAD/);
  });

  test('each output says held', async () => {
    await using project = await open();
    await fill(project);
    await project.out('register', '@a');
    await project.bus.transport.topics.bind('$sub.d', 't');
    const counts = { ready: 0, delayed: 0, held: 0, dead: 0 };
    expect(await project.json('subs', 'ls')).toMatchObject([{ name: 'd', ...counts }]);
    expect(await project.json('subs', 'lag', 'd')).toMatchObject([{ name: 'd', ...counts }]);
    expect(await project.json('agents')).toMatchObject([{ name: '@a', inbox: counts }]);
    const build = { name: 'build', ready: 1, delayed: 1, held: 1, dead: 1 };
    for (const args of [['stats'], ['top', '--once', '--every', '200ms']]) {
      const [found] = await project.json<{ queues: object[] }>(...args);
      expect(found?.queues).toContainEqual(expect.objectContaining(build));
      expect(JSON.stringify(found)).not.toContain('leased');
    }
  });

  test('stats lists an agent only while a process of it is there', async () => {
    await using project = await open();
    await project.out('register', '@a');
    await using served = await project.bus.agent('@served');
    expect(await project.json('stats')).toMatchObject([{ agents: [{ name: served.name, instances: 1 }] }]);
    expect(await project.out('stats')).toMatch(/^\w+, open: .*, 1 agent online\n/);
  });

  test('peek: messages stay as they are', async () => {
    await using project = await open();
    await fill(project);
    const seen = await project.json('peek', 'build');
    expect(seen.map(({ state, body }) => [state, body])).toEqual(
      expect.arrayContaining([
        ['ready', { file: 'a.ts' }],
        ['delayed', 'later'],
        ['held', 'held'],
        ['dead', 'dead'],
      ]),
    );
    expect(await project.json('peek', 'build', '--state', 'held')).toMatchObject([{ state: 'held', consumer: 'w' }]);
    expect(await project.out('peek', 'build', '--state', 'dead')).toMatch(/^STATE.*\nDEAD .* no such file — dead$/);
    expect(await project.out('peek', 'build', '--state', 'ready', '--full')).toMatch(
      /\nREADY .*\n {2}\{"file":"a\.ts"\}$/,
    );
    expect((await project.run('peek', 'build', '--limit', '1')).stderr).toMatch(/more than 1; --limit shows more/);
    expect((await project.json('queues', 'build'))[0]).toMatchObject({ ready: 1, delayed: 1, held: 1, dead: 1 });
    await project.out('register', '@empty');
    expect(await project.run('peek', '@empty')).toMatchObject({ code: 4, stdout: '' });
    expect(await project.run('peek', '@nobody')).toMatchObject({ code: 3, stdout: '' });
    expect(await project.run('peek', 'build', '--state', 'leased')).toMatchObject({ code: 2 });
    expect(await project.run('peek')).toMatchObject({ code: 2 });
  });

  test('peek: a message beyond its time to live is EXPIRED', async () => {
    await using project = await open();
    await project.bus.enqueue('q', 'old', { ttlMs: 1 });
    const [seen] = await project.json('peek', 'q').catch(() => []);
    expect(seen ?? { state: 'expired' }).toMatchObject({ state: 'expired' });
    expect((await project.json<Queue>('queues', 'q'))[0]).toMatchObject({ ready: 0, expired: 1 });
  });

  test('topics: events and durable subscriptions', async () => {
    await using project = await open();
    await project.bus.subscribe('user.*', () => undefined, { durableName: 'audit' });
    await project.out('publish', 'user.login', '1');
    await project.out('publish', 'repo.commit', '1');
    expect(await project.json('topics')).toEqual([
      { topic: 'repo.commit', events: 1, subscriptions: [] },
      { topic: 'user.login', events: 1, subscriptions: ['audit'] },
    ]);
    expect(await project.out('topics', 'user.>')).toBe('TOPIC       EVENTS  SUBSCRIPTIONS\nuser.login       1  audit');
    expect(await project.run('topics', 'none.>')).toMatchObject({ code: 0, stdout: '', stderr: 'busbar: no topics\n' });
    expect(await project.run('topics', 'a.>.b')).toMatchObject({ code: 2 });
  });

  test('ping: an agent that serves requests, one in a shell, one that is away', { timeout: 60_000 }, async () => {
    await using project = await open();
    const seen: unknown[] = [];
    const agent = await project.bus.agent('@served');
    agent.handle('*', (message) => void seen.push(message));
    await project.out('register', '@shell');
    expect(await project.out('ping', '@served')).toMatch(/^@served [\d.]+m?s$/);
    expect(await project.json('ping', '@served', '--count', '2')).toMatchObject([
      { answered: true },
      { answered: true },
    ]);
    expect(seen).toEqual([]);
    expect(await project.run('ping', '@shell')).toMatchObject({
      code: 5,
      stderr: /^busbar: @shell is not online: away\n/,
    });
    const waiting = project.start({ args: ['recv', '@shell', '--wait'] });
    await expect
      .poll(async () => (await project.run('ping', '@shell')).stdout, { timeout: 20_000 })
      .toBe('@shell waits for mail in a shell\n');
    waiting.child.kill('SIGTERM');
    await waiting.ended;
    expect(await project.run('ping', '@served2')).toMatchObject({ code: 3, stderr: /Did you mean @served\?/ });
    expect(await project.run('ping')).toMatchObject({ code: 2 });
  });

  test('agents: online is a process, a held message is holding', { timeout: 60_000 }, async () => {
    await using project = await open();
    const states = async (): Promise<Record<string, unknown>> =>
      Object.fromEntries((await project.json('agents')).map(({ name, state }) => [name as string, state]));
    await project.out('register', '@a');
    await project.out('send', '@b', '1', '--create-inbox');
    expect(await states()).toEqual({ '@a': 'away', '@b': 'unregistered' });
    const waiting = project.start({ args: ['recv', '@a', '--wait', '--json'] });
    await expect.poll(async () => (await states())['@a'], { timeout: 20_000 }).toBe('online');
    expect((await project.json('agents', '--online')).map(({ name }) => name)).toEqual(['@a']);
    await project.out('send', '@a', '1');
    const { receipt } = JSON.parse((await waiting.ended).stdout);
    expect((await states())['@a']).toBe('holding');
    expect(await project.json('agents', '--online')).toEqual([]);
    expect(await project.out('agents')).toMatch(/^@a +holding +0 +1 +0 /m);
    await project.out('ack', receipt);
    expect((await states())['@a']).toBe('away');
    const ended = await project.run('recv', '@a', '--wait=10ms');
    expect([ended.code, (await states())['@a']]).toEqual([4, 'away']);
  });

  test('stats --prometheus', async () => {
    await using project = await open();
    await fill(project);
    for (const name of ['@a', '@b']) await project.out('send', name, '1', '--create-inbox');
    const text = await project.out('stats', '--prometheus');
    expect(text).toMatch(/^busbar_up\{transport="\w+"\} 1$/m);
    for (const state of ['ready', 'delayed', 'held', 'dead']) {
      expect(text).toContain(`busbar_queue_messages{queue="build",kind="tasks",state="${state}"} 1\n`);
    }
    expect(text).toContain('busbar_queue_messages{queue="$inbox",kind="inbox",state="ready"} 2\n');
    expect(text).toContain('busbar_expired_total{queue="build",kind="tasks"} 1\n');
    expect(text).toContain('busbar_done_total{queue="build",kind="tasks"} 1\n');
    for (const line of text.split('\n'))
      expect(line).toMatch(/^(# (HELP|TYPE) busbar_\w+ .+|busbar_\w+(\{(\w+="[^"]*",?)+\})? [\d.e+-]+)$/);
    expect(text).not.toContain('@a');
    expect(await project.run('stats', '--prometheus', '--json')).toMatchObject({ code: 2 });
  });

  test('top looks again and again, and ends by a signal', { timeout: 60_000 }, async () => {
    await using project = await open();
    await fill(project);
    const once = await project.out('top', '--once', '--every', '200ms');
    expect(once).toMatch(
      /^busbar \w+, open, [\d:]+, 0 agents online\n1 READY, 1 HELD, 1 DEAD; 0 sent\/s, 0 done\/s; oldest /,
    );
    const top = project.start({ args: ['top', '--every', '200ms', '--json'] });
    await top.printed('\n');
    await project.out('task', 'add', 'build', '1');
    await top.printed('"ready":2');
    top.child.kill('SIGINT');
    const { code, stdout } = await top.ended;
    expect(code).toBe(130);
    const looks = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(looks[0]).toMatchObject({ ready: 1, delayed: 1, held: 1, dead: 1, expired: 1, agentsOnline: 0 });
    expect(await project.run('top', '--every', '1ms')).toMatchObject({ code: 2 });
    expect(await project.run('top', 'x')).toMatchObject({ code: 2 });
  });
});

test('--watch waits for the bus, prints what changes, and ends when its reader has gone', {
  timeout: 60_000,
}, async () => {
  await using sh = shell();
  const watching = sh.start({ args: ['queues', '--watch=100ms'] });
  await watching.said('waiting for it');
  await sh.out('task', 'add', 'build', '1');
  await watching.printed('build');
  await sh.out('task', 'add', 'deploy', '1');
  await watching.printed('deploy');
  watching.child.stdout?.destroy();
  expect(await watching.ended).toMatchObject({ code: 0, stderr: expect.not.stringContaining('EPIPE') });
});

test('inbox, task ls, subs ls and lock ls --watch print what changes', { timeout: 60_000 }, async () => {
  await using sh = shell();
  await sh.out('register', '@a');
  await sh.out('task', 'add', 'q', '0');
  const lines = [
    ['inbox', '@a'],
    ['inbox', '@a', '--count'],
    ['task', 'ls', 'q'],
    ['subs', 'ls'],
    ['lock', 'ls'],
  ];
  const watching = lines.map((args) => sh.start({ args: [...args, '--watch=100ms', '--json'], timeoutMs: 50_000 }));
  await watching[1]?.printed('"count":0');
  await sh.out('send', '@a', 'a-mail');
  await sh.out('task', 'add', 'q', 'a-task');
  await sh.out('sub', 't', '--durable', 'a-sub', '--from', 'start', '--until-empty');
  const holder = sh.start({ args: ['lock', 'a-lock', '--', 'sleep', '30'] });
  for (const [index, text] of ['a-mail', '"count":1', 'a-task', 'a-sub', 'a-lock'].entries())
    await watching[index]?.printed(text);
  for (const one of [...watching, holder]) one.child.kill();
  for (const one of watching) expect((await one.ended).code).toBe(143);
  await holder.ended;
  for (const args of [
    ['subs', 'lag', 'a-sub', '--watch'],
    ['lock', 'l', '--watch', '--', 'true'],
    ['task', 'take', 'q', '--watch'],
  ])
    expect(await sh.run(...args)).toMatchObject({ code: 2, stdout: '', stderr: /--watch/ });
});

test('states that are counted only are refused, with where to see them', async () => {
  await using sh = shell();
  for (const args of [
    ['peek', '@a'],
    ['task', 'ls', 'q'],
  ]) {
    for (const state of ['expired', 'done']) {
      const { code, stderr } = await sh.run(...args, '--state', state);
      const hint = `busbar queues counts them under ${state.toUpperCase()}, and busbar audit`;
      expect([code, stderr]).toEqual([2, expect.stringContaining(hint)]);
    }
  }
});

const at = (width: number) => ({ width, paint: (_: string, text: string) => text }) as never;

test.each([80, 60])('the help fits into %d columns', async (width) => {
  expect(overview(VERB_GROUPS, at(width)).filter((line) => line.length > width)).toEqual([]);
  for (const [name, { summary, load }] of Object.values(VERB_GROUPS).flatMap((group) => Object.entries(group))) {
    const [title, , ...lines] = verbHelp(name, summary, await load(), at(width));
    expect(title?.length).toBeLessThanOrEqual(width);
    // Examples are whole, to be copied.
    if (width === 80) expect(lines.filter((line) => line.length > width && !line.includes('|'))).toEqual([]);
  }
});

describe('tables', () => {
  const colored = (width: number) =>
    ({ width, paint: (style: string, text: string) => `<${style}>${text}</>` }) as never;

  test('colour what a state means, behind its alignment', () => {
    const rows = [
      ['@a', 'online', '0', 'HELD'],
      ['@bcd', 'away', '12', 'x'],
      ['HELD', 'READY', '-', 'y'],
    ];
    expect(tableLines(['!AGENT', '*STATE', '*#DEAD', 'NOTE'], rows, colored(80))).toEqual([
      '<bold>AGENT  STATE   DEAD  NOTE</>',
      '@a     <green>online</>     0  HELD',
      '@bcd   <dim>away</>      <red>12</>  x',
      'HELD   READY      -  y',
    ]);
    expect(tableLines(['A', '*STATE'], [['a'.repeat(20), 'DELAYED 10m']], colored(30))[1]).toBe(
      `${'a'.repeat(20)}  DELAYED…`,
    );
  });

  const headings = ['!ID', '#N', '?KIND', '?NOTE'];

  test.each([80, 60, 40])('fit into %d columns: the last one is cut, and those that may be left out go', (width) => {
    const lines = tableLines(headings, [['a'.repeat(20), '1', 'x'.repeat(15), 'y'.repeat(30)]], at(width));
    for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(width);
    expect(lines[0]).toMatch(width === 40 ? /KIND$/ : /NOTE$/);
  });

  test('give a long name a line of its own, and cut no count', () => {
    const counts = ['11111', '22222'];
    const rows = [
      ['a-name-of-more-than-sixteen-characters', ...counts],
      ['b', ...counts],
    ];
    expect(tableLines(['!QUEUE', '#READY', '#HELD'], rows, at(32))).toEqual([
      'QUEUE               READY   HELD',
      'a-name-of-more-than-sixteen-characters',
      '                    11111  22222',
      'b                   11111  22222',
    ]);
  });

  test('leave room for a part of the body on 60 columns', () => {
    const row = ['READY', '0', '22:15:04', '0'.repeat(36), 'a body of some length'];
    expect(tableLines(BROWSED_HEADINGS, [row], at(60))).toEqual([
      `STATE  ID${' '.repeat(36)}BODY`,
      `READY  ${'0'.repeat(36)}  a body of some…`,
    ]);
  });

  test('never cut an id, and do not widen for a long one', () => {
    const id = `build#${'0'.repeat(100)}`;
    const [head = '', long = '', short = ''] = tableLines(
      ['STATE', '!ID', 'BODY'],
      [
        ['READY', id, 'body'],
        ['READY', 'b', 'body'],
      ],
      at(60),
    );
    expect(long).toContain(id);
    expect(widthOf(head)).toBeLessThanOrEqual(60);
    expect(short).toMatch(/^READY {2}b +body$/);
  });
});
