// Commands that only look leave no bus behind, and find a bus that does not exist empty.
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { shell } from './shell.ts';

const ABSENT = /no bus here yet: looked for \S+bus\.(db|sock) \((the default|from \S+)\)/i;

describe.each([undefined, 'unix:./bus.sock'])('MESSAGE_BUS=%s', (MESSAGE_BUS) => {
  test.concurrent.each([
    [['agents'], 0, ''],
    [['stats'], 0, /^(sqlite|unix), open: 0 queues, 0 agents online\n$/],
    [['logs', '@a'], 3, ''],
    [['recv', '@a'], 3, ''],
    [['recv', '@a', '--wait'], 3, ''],
    [['send', '@a', 'x'], 3, ''],
    [['send', '--capability', 'c', 'x'], 5, ''],
    [['request', '@a', 'x'], 3, ''],
    [['ack', 'r'], /[26]/, ''],
    [['reply', 'id', 'x', '--as', '@a'], 3, ''],
    [['forget', '@a'], 3, ''],
    [['task', 'ls', 'q'], 3, ''],
    [['task', 'status', 'q#1'], 3, ''],
    [['task', 'cancel', 'q#1'], 3, ''],
    [['dead', 'list', 'q'], 3, ''],
    [['dead', 'redrive', 'q'], 3, ''],
    [['tail', '--from', 'start', '--stop-at-end'], 0, ''],
    [['doctor'], 0, /does not exist yet/],
  ])('%j', async (args, code, stdout) => {
    await using sh = shell();
    const ending = await sh.use({ args, env: { MESSAGE_BUS } });
    expect(ending.stderr).not.toMatch(/\n\s+at /);
    expect(`${ending.code}`).toMatch(code instanceof RegExp ? code : new RegExp(`^${code}$`));
    if (stdout instanceof RegExp) expect(ending.stdout).toMatch(stdout);
    else expect(ending.stdout).toBe(stdout);
    if (args[0] !== 'doctor') expect(ending.stderr).toMatch(ABSENT);
    expect(readdirSync(sh.dir.path)).toEqual([]);
  });
});

test.each(['unix', 'unix:./bus.sock?store=memory:', 'zmq', 'ws', 'sqlite:./deep/er/bus.db'])(
  'agents and send leave nothing behind: %s',
  async (MESSAGE_BUS) => {
    await using sh = shell();
    expect(await sh.use({ args: ['agents', '--json'], env: { MESSAGE_BUS } })).toMatchObject({ code: 0, stdout: '' });
    expect(await sh.use({ args: ['send', '@a', 'x'], env: { MESSAGE_BUS } })).toMatchObject({ code: 3, stdout: '' });
    expect(readdirSync(sh.dir.path)).toEqual([]);
  },
);

test('commands that write create it', async () => {
  for (const args of [
    ['register', '@a'],
    ['publish', 't', '1'],
    ['task', 'add', 'q', '1'],
    ['send', '@a', '1', '--create-inbox'],
  ]) {
    await using sh = shell();
    expect(await sh.run(...args)).toMatchObject({ code: 0, stderr: expect.not.stringMatching(ABSENT) });
    expect(readdirSync(sh.dir.path)).toEqual(['.busbar']);
  }
});

describe('wrong input creates none', () => {
  test.concurrent.for<readonly [code: number, line: string, input?: string]>([
    [2, 'task add $x 1'],
    [2, 'task add q 1 --key k --replace k'],
    [2, 'task add $x 1 --count 2'],
    [2, 'task flow {"queue":"sum"}'],
    [2, 'publish $x 1'],
    [2, 'register a,b'],
    [2, 'sub a..b --durable d'],
    [2, 'sub a --durable d,e'],
    [3, 'work @typo -- true'],
    [2, 'work a,b -- true'],
    [2, 'work q --type t --until-empty -- true'],
    [2, 'schedule add n --cron x --queue q'],
    [2, 'schedule add n --every 1h'],
    [3, 'import none.jsonl'],
    [2, 'import -', 'junk\n'],
    [2, 'send --jsonl', 'junk\n{"to":"@a","body":1}\n{"to":"a,b","create-inbox":true}\n'],
    [2, 'publish --jsonl', 'junk\n{"topic":"$x"}\n{"topic":"a,b"}\n'],
    [2, 'task add --jsonl', '{"body":1}\n{"queue":"$x"}\n{"queue":"a,b"}\n'],
  ])('%d: %s', async ([code, line, input = ''], { expect }) => {
    await using sh = shell();
    const ending = await sh.use({ args: line.split(' '), input });
    expect([ending.code, ending.stdout], ending.stderr).toEqual([code, '']);
    expect(readdirSync(sh.dir.path)).toEqual([]);
  });
});

test('lines of send create it once a line needs it, also behind others', async () => {
  await using sh = shell();
  const input = '{"to":"@b","body":0}\n{"to":"@a","body":1,"create-inbox":true}\n{"to":"@a","body":2}\n';
  const { code, stdout, stderr } = await sh.use({ args: ['send', '--jsonl'], input });
  expect([code, stdout.trim().split('\n').length, stderr]).toEqual([
    2,
    2,
    expect.stringMatching(/line 1: unknown agent @b/),
  ]);
  expect((await sh.json('inbox', '@a')).map(({ body }) => body)).toEqual([1, 2]);
});

test('tail waits for the bus, and prints its first event', async () => {
  await using sh = shell();
  const tail = sh.start({ args: ['tail', '--count', '1', '--raw'] });
  await tail.said('waiting for it');
  await sh.out('publish', 'first', '"event"');
  expect(await tail.ended).toMatchObject({ code: 0, stdout: 'event\n' });
});

test.concurrent('task take waits for the bus, and takes its first task', async ({ expect }) => {
  await using sh = shell();
  const taking = sh.start({ args: ['task', 'take', 'q', '--wait', '--field', 'body'] });
  await taking.said('waiting for it');
  await sh.out('task', 'add', 'q', 'first');
  expect(await taking.ended).toMatchObject({ code: 0, stdout: 'first\n' });
});

test.concurrent('stats --watch and top show what a later bus has', async ({ expect }) => {
  await using sh = shell();
  const watching = [
    ['stats', '--watch=100ms'],
    ['top', '--every', '200ms'],
  ].map((args) => sh.start({ args }));
  await Promise.all(watching.map((one) => one.said('waiting for it')));
  await sh.out('task', 'add', 'build', '1');
  await Promise.all(watching.map((one) => one.printed('build')));
  for (const one of watching) one.child.kill();
  for (const one of watching) expect((await one.ended).code).toBe(143);
});

test.concurrent.each([
  ['task', 'take', 'q'],
  ['wait', 'online', '@a'],
  ['wait', 'event', 't'],
])('%s %s %s --wait ends with 4 while there is no bus', async (...args) => {
  await using sh = shell();
  const { code, stdout, stderr } = await sh.run(...args, '--wait=300ms');
  expect([code, stdout, stderr]).toEqual([4, '', expect.stringMatching(ABSENT)]);
  expect(readdirSync(sh.dir.path)).toEqual([]);
});

test('a bad URL of a missing bus is refused', async () => {
  await using sh = shell();
  const { code, stderr } = await sh.run('agents', '--url', 'sqlite:./x.db?durable=power');
  expect([code, stderr]).toEqual([2, expect.stringMatching(/no parameter "durable"/)]);
});

test('doctor checks where the file would be', async () => {
  await using sh = shell();
  const { code, stdout } = await sh.run('doctor', '--json');
  const { checks } = JSON.parse(stdout) as { checks: { check: string; status: string; detail: string }[] };
  expect(code).toBe(0);
  expect(checks).toContainEqual(expect.objectContaining({ check: 'file', status: 'warn' }));
  expect(checks).toContainEqual(expect.objectContaining({ check: 'round trip' }));
  expect(readdirSync(sh.dir.path)).toEqual([]);
});

describe('conformance', () => {
  test.each([
    ['sqlite:./none/t.db', /the folder ".*none" does not exist/],
    ['sqlite:./file/t.db', /the folder ".*file" does not exist/],
  ])('%s is refused', async (url, message) => {
    await using sh = shell();
    writeFileSync(sh.dir.join('file'), '');
    const { code, stdout, stderr } = await sh.run('conformance', url, '--only', 'Q1');
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(/^hint: /m);
  });

  test('runs on the default bus without creating it', async () => {
    await using sh = shell();
    mkdirSync(sh.dir.join('.git'));
    expect(await sh.run('conformance', '--only', 'Q1')).toMatchObject({ code: 0 });
    expect(readdirSync(sh.dir.path)).toEqual(['.git']);
  });
});
