// Tasks, logs, statistics and the doctor in a shell.
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'busbar';
import { describe, expect, test } from 'vitest';
import { shell } from './shell.ts';

describe('task', () => {
  test.concurrent('is added, listed and done, with a result', async () => {
    await using sh = shell();
    const id = await sh.out('task', 'add', 'build', '{"target":"all"}', '--priority', '7');
    expect(id).toMatch(/^build#/);
    expect(await sh.out('task', 'status', id)).toBe('READY');
    expect(await sh.run('task', 'result', id)).toMatchObject({ code: 4, stdout: '' });
    expect(await sh.json('task', 'ls', 'build')).toMatchObject([{ id, state: 'ready', body: { target: 'all' } }]);
    expect(await sh.out('task', 'ls', 'build')).toMatch(/^STATE +ATTEMPT +SENT +ID +BODY\nREADY/);
    await using bus = await connect(`sqlite:${sh.dir.join('.busbar/bus.db')}`, { onError: () => undefined });
    await bus.process('build', async ({ body }) => ({ built: body }));
    expect(await sh.out('task', 'result', id, '--wait=10s')).toBe('{"built":{"target":"all"}}');
    expect(await sh.json('task', 'result', id)).toEqual([{ id, status: 'done', result: { built: { target: 'all' } } }]);
    expect(await sh.json('task', 'status', id)).toEqual([{ id, queue: 'build', status: 'done' }]);
    expect(await sh.run('task', 'cancel', id)).toMatchObject({ code: 6, stdout: '' });
    expect(await sh.out('task', 'add', 'build', 'x', '--wait=10s', '-q')).toBe('{"built":"x"}');
  });

  test.concurrent('waits for its children, whose results its command gets', async () => {
    await using sh = shell();
    const flow = { queue: 'sum', children: [1, 2].map((body) => ({ queue: 'count', body })) };
    const id = await sh.out('task', 'flow', JSON.stringify(flow));
    expect(await sh.out('task', 'status', id)).toBe('WAITING');
    expect(await sh.out('task', 'ls', 'sum')).toMatch(/^STATE +ATTEMPT.*\nWAITING .* for count#flow:sum#\S+$/);
    expect(await sh.json('task', 'ls', 'sum', '--state', 'waiting')).toMatchObject([
      { id, state: 'waiting', waitsFor: expect.stringMatching(/^count#flow:/) },
    ]);
    expect(await sh.json('task', 'ls', 'sum', '--state', 'delayed')).toEqual([]);
    expect(await sh.run('task', 'take', 'sum')).toMatchObject({ code: 4 });
    await sh.out('work', 'count', '--until-empty', '--', 'cat');
    await sh.out('work', 'sum', '--until-empty', '--', 'sh', '-c', 'printf %s "$BUSBAR_CHILDREN"');
    expect(JSON.parse(await sh.out('task', 'result', id))).toMatchObject([
      { queue: 'count', state: 'done', result: 1 },
      { queue: 'count', state: 'done', result: 2 },
    ]);
    expect(await sh.run('task', 'flow', '{"queue":"sum"}')).toMatchObject({ code: 2 });
  });

  test.concurrent('is cancelled, or dead', async () => {
    await using sh = shell();
    const id = await sh.out('task', 'add', 'q', '1', '--delay', '1h');
    expect(await sh.out('task', 'status', id)).toBe('DELAYED');
    expect(await sh.json('task', 'cancel', id)).toEqual([{ id, cancelled: true, status: 'cancelled' }]);
    expect(await sh.out('task', 'status', id)).toBe('CANCELLED');
    expect(await sh.run('task', 'result', id, '--wait=5s')).toMatchObject({ code: 1, stdout: '' });
    await using bus = await connect(`sqlite:${sh.dir.join('.busbar/bus.db')}`, { onError: () => undefined });
    await bus.process(
      'q',
      async () => {
        throw new Error('it broke');
      },
      { maxAttempts: 1 },
    );
    const dead = await sh.run('task', 'add', 'q', '2', '--wait=10s');
    expect(dead).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(/it broke/) });
    expect(dead.stderr).toMatch(
      /^hint: busbar dead list q shows its attempts, busbar dead redrive q q#\S+ retries it/m,
    );
  });

  test.concurrent('of one key is added once', async () => {
    await using sh = shell();
    expect(await sh.out('task', 'add', 'q', '1', '--key', 'nightly')).toBe('q#nightly');
    expect(await sh.json('task', 'add', 'q', '1', '--key', 'nightly')).toEqual([
      { id: 'q#nightly', queue: 'q', status: 'duplicate' },
    ]);
    expect(await sh.json('task', 'ls', 'q')).toHaveLength(1);
  });

  test.concurrent('replaces the waiting one of its key, or holds its key until it is done', async () => {
    await using sh = shell();
    for (const body of ['1', '2']) await sh.out('task', 'add', 'q', body, '--replace', 'k', '--delay', '1h');
    expect(await sh.json('task', 'ls', 'q')).toMatchObject([{ body: 2, state: 'delayed' }]);
    const key = ['--key', 'nightly', '--until-done'];
    const [first] = await sh.json<{ readonly id: string }>('enqueue', 'p', '1', ...key);
    expect(first).toMatchObject({ id: expect.stringMatching(/^p#nightly#[0-9a-f]{8}$/), status: 'stored' });
    expect(await sh.json('enqueue', 'p', '1', ...key)).toMatchObject([{ id: first?.id, status: 'duplicate' }]);
    expect(await sh.run('enqueue', 'p', '1', '--until-done')).toMatchObject({ code: 2, stdout: '' });
    expect(await sh.run('enqueue', 'p', '1', '--key', 'k', '--replace', 'k')).toMatchObject({ code: 2, stdout: '' });
  });

  test.concurrent('starts as the limit of its queue says, which is set and shown', async () => {
    await using sh = shell();
    await sh.out('task', 'add', 'q', '1');
    expect(await sh.out('limit', 'q')).toBe('none');
    expect(await sh.out('limit', 'q', '10/1s')).toBe('10/1s');
    expect(await sh.json('limit', 'q')).toEqual([{ queue: 'q', rateLimit: { max: 10, perMs: 1_000 } }]);
    expect(await sh.out('queues')).toMatch(/10\/1s$/m);
    expect(await sh.json('queues')).toMatchObject([{ settings: { rateLimit: { max: 10, perMs: 1_000 } } }]);
    expect(await sh.run('limit', 'q', '10')).toMatchObject({ code: 2, stderr: expect.stringMatching(/10\/1s/) });
    expect(await sh.out('limit', 'q', 'none')).toBe('none');
    await sh.out('limit', 'q', '1/1m');
    await sh.out('rm', 'q', '--force');
    await sh.out('task', 'add', 'q', '1');
    expect(await sh.out('limit', 'q')).toBe('none');
  });

  test.concurrent('is listed by state and type, in pages', async () => {
    await using sh = shell();
    for (const [body, type] of [
      ['1', 'image'],
      ['2', 'text'],
      ['3', 'image'],
    ] as const)
      await sh.out('task', 'add', 'q', body, '--type', type);
    await sh.use({ args: ['enqueue', '--jsonl'], input: '{"queue":"q","body":4,"type":"image","delay":"1h"}\n' });
    const bodies = async (...flags: string[]) =>
      ((await sh.json('task', 'ls', 'q', ...flags)) as { body: unknown }[]).map(({ body }) => body);
    expect(await bodies('--type', 'image')).toEqual([1, 3, 4]);
    expect(await bodies('--type', 'image', '--state', 'ready')).toEqual([1, 3]);
    const { stdout, stderr } = await sh.run('task', 'ls', 'q', '--limit', '3');
    expect(stdout.trim().split('\n')).toHaveLength(4);
    const [, after = ''] = /the next page: --after '?([^'\n]+)'?\n/.exec(stderr) ?? [];
    expect(await bodies('--after', after)).toEqual([4]);
    expect(await sh.run('task', 'ls', 'q', '--after', 'nonsense')).toMatchObject({ code: 2, stdout: '' });
  });

  test.concurrent('with an unknown id', async () => {
    await using sh = shell();
    expect(await sh.run('task', 'status', 'q#none')).toMatchObject({ code: 3, stdout: '' });
    expect(await sh.run('task', 'result', 'q#none')).toMatchObject({ code: 3, stdout: '' });
    expect(await sh.run('task', 'cancel', 'q#none')).toMatchObject({ code: 3, stdout: '' });
    expect(await sh.run('task', 'ls', 'none')).toMatchObject({ code: 3, stdout: '' });
    expect(await sh.run('task', 'status', 'no-id')).toMatchObject({ code: 2, stdout: '' });
    expect(await sh.run('task', 'add', '$x', '1')).toMatchObject({ code: 2, stdout: '' });
  });
});

describe('logs, agents, stats', () => {
  test.concurrent('show the state of the bus', async () => {
    await using sh = shell();
    await sh.out('register', '@idle', '--note', 'waits');
    await using bus = await connect(`sqlite:${sh.dir.join('.busbar/bus.db')}`, { onError: () => undefined });
    const agent = await bus.agent('@busy', { capabilities: ['x'] });
    agent.handle('ping', () => 'pong');
    agent.log('begun');
    agent.log('odd \u001b[2J', 'warn');
    await expect
      .poll(() => sh.out('logs', '@busy'), { timeout: 5000 })
      .toMatch(/info +begun\n.* warn +odd \\u001b\[2J$/);
    expect(await sh.json('logs', '@busy', '--level', 'warn')).toEqual([
      { at: expect.any(String), level: 'warn', text: 'odd \u001b[2J' },
    ]);
    expect(await sh.run('logs', '@idle')).toMatchObject({ code: 0, stdout: '', stderr: 'busbar: no log lines\n' });
    expect(await sh.run('logs', '@missing')).toMatchObject({ code: 3 });

    await sh.out('send', '@idle', 'x');
    const table = (await sh.out('agents')).split('\n');
    expect(table[0]).toMatch(/^AGENT +STATE +READY +HELD +DEAD +OLDEST +LOAD +CAN +NOTE$/);
    expect(table[1]).toMatch(/^@busy +online +0 +0 +0 +- +0\/16 +x$/);
    expect(table[2]).toMatch(/^@idle +away +1 +0 +0 +\S+ +- +waits$/);
    expect((await sh.json('agents', '--capability', 'x')).map(({ name }) => name)).toEqual(['@busy']);

    expect(await sh.json('task', 'ls', '@idle')).toMatchObject([{ state: 'ready', body: 'x' }]);
    await sh.out('task', 'add', 'q', '1');
    const [stats] = await sh.json('stats', '--sample', '50ms');
    expect(stats).toMatchObject({ transport: { name: 'sqlite', state: 'open' }, queues: expect.any(Array) });
    const text = await sh.out('stats', '--sample', '50ms');
    expect(text).toMatch(/^sqlite, open: 3 queues/);
    expect(text).toMatch(/\nq +1 +0 +0 +0 +0 +0 +\S+ +0 +0 +tasks\n/);
    expect(text).toMatch(/\n@idle +1 .* inbox$/m);
  });

  test.concurrent('of an empty bus', async () => {
    await using sh = shell();
    expect(await sh.run('agents')).toMatchObject({ code: 0, stdout: '', stderr: expect.stringMatching(/no agents/) });
    expect(await sh.json('agents')).toEqual([]);
    expect(await sh.out('stats')).toBe('sqlite, open: 0 queues, 0 agents online');
  });
});

test.concurrent.each([
  [
    'task ls q --result x',
    'ls takes no --result',
    'It is a flag of done. ls takes --limit --type --after --state --watch.',
  ],
  ['task ls q --priority 9', 'ls takes no --priority', 'It is a flag of add.'],
  ['task take q --delay 1s', 'take takes no --delay', 'It is a flag of add, fail.'],
  ['task done r -H a=b', 'done takes no --header', 'It is a flag of add.'],
  ['task extend r --reject', 'extend takes no --reject', 'It is a flag of fail.'],
  ['task status q#1 --wait', 'status takes no --wait', 'status takes no flags of its own.'],
  ['task add q 1 --field id', 'add takes no --field', 'It is a flag of take.'],
  ['task flow {} --jsonl', 'flow takes no --jsonl', 'flow takes --wait.'],
  ['dead redrive q --limit 5', 'redrive takes no --limit', 'It is a flag of list, ls.'],
  ['subs lag --from start', 'lag takes no --from', 'It is a flag of seek.'],
  ['schedule rm nightly --cron @daily', 'rm takes no --cron', 'It is a flag of add.'],
  ['schedule ls -H a=b', 'ls takes no --header', 'It is a flag of add.'],
  ['migrate plan sqlite memory --drain 1s', 'plan takes no --drain', 'It is a flag of start.'],
  ['hub status --idle 1m', 'status takes no --idle', 'It is a flag of hub.'],
])('%s is refused', async (line, message, hint) => {
  await using sh = shell();
  const { code, stdout, stderr } = await sh.run(...line.split(' '));
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain(`busbar: ${message}\nhint: `);
  expect(stderr).toContain(hint);
});

describe('doctor', () => {
  test.concurrent('prints one line per finding', async () => {
    await using sh = shell();
    const { code, stdout } = await sh.use({ args: ['doctor'], env: { BUSBAR_AGNET: '@a', BUSBAR_AGENT: '@me' } });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ok {4}node +v/);
    expect(stdout).toMatch(/warn +variables +busbar ignores BUSBAR_AGNET\n +hint: Did you mean BUSBAR_AGENT\?/);
    expect(stdout).toMatch(/ok +bus +sqlite:\S+bus\.db \(the default/);
    expect(stdout).toMatch(/ok +transport +sqlite: messages survive killed processes, within this machine/);
    expect(stdout).toMatch(/ok +round trip +sent in/);
    expect(stdout).toMatch(/warn +agent +@me has no mailbox\n +hint: busbar register @me/);
    expect(await sh.json('stats', '--all')).toMatchObject([{ queues: [] }]);
  });

  test.concurrent('finds folders open to other users, and broken stores', async () => {
    await using sh = shell();
    mkdirSync(sh.dir.join('.busbar'));
    chmodSync(sh.dir.join('.busbar'), 0o770);
    expect((await sh.run('doctor')).stdout).toMatch(/warn +folder +others may write to/);
    chmodSync(sh.dir.join('.busbar'), 0o777);
    expect((await sh.run('doctor')).stdout).toMatch(/fail +open +every user can replace files in the folder/);
    writeFileSync(sh.dir.join('bad.db'), 'this is no database, but long enough to be looked at as if it were one');
    const { code, stdout } = await sh.run('doctor', '--url', 'sqlite:bad.db', '--json');
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({ ok: false });
    const usage = await sh.run('doctor', '--url', 'mysql:');
    expect(usage).toMatchObject({ code: 2, stderr: '' });
    expect(usage.stdout).toMatch(/fail +bus +--url has the unknown scheme/);
  });
});

describe('the default bus', () => {
  test.concurrent('is a file in the project, for its owner only', async () => {
    await using sh = shell();
    mkdirSync(sh.dir.join('.git'));
    mkdirSync(sh.dir.join('deep/er'), { recursive: true });
    expect(await sh.use({ args: ['register', '@a'], cwd: sh.dir.join('deep/er') })).toMatchObject({ code: 0 });
    expect(existsSync(sh.dir.join('.busbar/bus.db'))).toBe(true);
    expect(statSync(sh.dir.join('.busbar')).mode & 0o777).toBe(0o700);
    expect(statSync(sh.dir.join('.busbar/bus.db')).mode & 0o777).toBe(0o600);
    expect(readFileSync(sh.dir.join('.busbar/.gitignore'), 'utf8')).toBe('*\n');
    expect((await sh.json('agents')).map(({ name }) => name)).toEqual(['@a']);
  });

  test.concurrent('a bad command creates none', async () => {
    await using sh = shell();
    await sh.run('send', '@a', 'x', '--priority', '99');
    await sh.run('recv');
    expect(existsSync(sh.dir.join('.busbar'))).toBe(false);
  });

  test.concurrent('names in a config file isolate buses', async () => {
    await using sh = shell();
    const buses = { one: { url: 'sqlite:./both.db', ns: 'one' }, two: { url: 'sqlite:./both.db', ns: 'two' } };
    writeFileSync(sh.dir.join('busbar.config.json'), JSON.stringify({ bus: 'one', buses }));
    await sh.out('register', '@a');
    expect(await sh.json('agents')).toHaveLength(1);
    expect(await sh.json('agents', '--url', 'two')).toEqual([]);
    expect(await sh.use({ args: ['agents', '--json'], env: { MESSAGE_BUS: 'two' } })).toMatchObject({
      code: 0,
      stdout: '',
    });
  });
});

describe('conformance', () => {
  test.concurrent.each([
    ['--only', 'q1', ['Q1']],
    ['--only', 'Q1,A4', ['Q1', 'A4']],
    ['--only', 'D', /^(D\d+ ?)+$/],
    ['--only', 'prior', /^(Q\d+ ?)+$/],
    ['--only', 'Dead letters,Q1', /^Q1 (D\d+ ?)+$/],
    ['--group', 'Q', /^(Q\d+ ?)+$/],
    ['--group', 'q2', /^(Q\d+ ?)+$/],
    ['--group', 'priority', /^(Q\d+ ?)+$/],
    ['--group', 'prior', /^(Q\d+ ?)+$/],
  ])('%s %s', async (flag, value, wanted) => {
    await using sh = shell();
    const [report] = await sh.json<{ cases: { id: string }[] }>('conformance', 'memory:', flag, value);
    const ids = report!.cases.map(({ id }) => id);
    if (wanted instanceof RegExp) expect(ids.join(' ')).toMatch(wanted);
    else expect(ids).toEqual(wanted);
  });

  test.concurrent('prints a report, and exits with 0 when nothing failed', async () => {
    await using sh = shell();
    const [report] = await sh.json<{ cases: unknown[] }>('conformance', 'memory:', '--only', 'Q1,A4');
    expect(report).toMatchObject({ transport: 'memory', passed: 2, failed: 0, unsupported: 0 });
    expect(report!.cases).toEqual([
      { id: 'Q1', status: 'passed' },
      { id: 'A4', status: 'passed' },
    ]);
    const { code, stdout, stderr } = await sh.run('conformance', 'sqlite:./t.db', '--only', 'Q1');
    expect({ code, stdout: stdout.replace(/\(.*/s, '') }).toEqual({
      code: 0,
      stdout: 'sqlite: 1 passed, 0 failed, 0 unsupported, 0 not applicable, 0 not tested ',
    });
    expect(stderr).toMatch(/^passed +Q1/);
  });
});
