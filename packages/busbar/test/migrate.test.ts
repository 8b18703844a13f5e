// Moves from a shell.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { needServer, startRedis } from '@busbar/testbed';
import { expect, test } from 'vitest';
import { connectTransport } from '../src/index.ts';
import { type Shell, shell } from './shell.ts';

const ENDS = ['sqlite:./one.db', 'sqlite:./two.db'] as const;
const [ONE, TWO] = ENDS;

test.concurrent('a bus moves, and both sides say so', { timeout: 90_000 }, async () => {
  await using sh = shell();
  await sh.out('register', '@a', '--url', ONE);
  await sh.out('send', '@a', 'hello', '--url', ONE);
  await sh.out('publish', 'news', '1', '--url', ONE);

  const planned = await sh.out('migrate', 'plan', ...ENDS);
  expect(planned).toContain('1 message, 1 queue, 1 event');
  expect(planned).not.toContain('problem');
  expect(planned).toMatch(
    /\ntakes {3}about \d+ms: \d+ms while agents work, then the pause\npause {3}about \d+ms, and /,
  );
  const { code, stdout, stderr } = await sh.run('migrate', 'start', ...ENDS);
  expect({ code, stdout, stderr }).toEqual({
    code: 0,
    stdout: expect.stringMatching(/^moved {3}1 message, .*\nto .*two\.db\npause .*\nsteps .*\nnext .*two\.db\n$/),
    stderr: expect.stringContaining('busbar: verify'),
  });
  expect(stderr).toMatch(/^busbar: copy; about \S+ left\n(.*\n)*busbar: drain; about \S+ left\n/);
  expect(stdout).toMatch(/\npause {3}\S+ of \S+; estimated \d+ms of \d+ms\n/);
  // Before the sign of life of the shell ends in the open store.
  expect(await sh.run('migrate', 'verify', ...ENDS)).toMatchObject({ code: 0, stdout: 'both hold the same\n' });
  expect(await sh.out('migrate', 'status', ...ENDS)).toMatch(/^the bus has moved\nfrom {4}moved .*\nto {6}open /);

  expect(await sh.run('send', '@a', 'x', '--url', ONE)).toMatchObject({
    code: 6,
    stderr: expect.stringMatching(/the bus has moved to sqlite:.*two\.db\nhint: .*MESSAGE_BUS/),
  });
  expect(await sh.out('recv', '@a', '--url', TWO)).toContain('hello');
  expect((await sh.run('migrate', 'verify', ...ENDS)).code).toBe(1);
  expect(await sh.run('migrate', 'start', ...ENDS)).toMatchObject({
    code: 6,
    stderr: expect.stringContaining('has moved'),
  });
  expect(await sh.out('migrate', 'retire', ...ENDS)).toContain('one.db is empty');
  expect((await sh.run('migrate', 'rollback', ...ENDS)).code).toBe(6);
});

test.concurrent('a plan names what is in the way', { timeout: 90_000 }, async () => {
  await using sh = shell();
  await sh.out('register', '@a', '--url', TWO);
  for (const action of ['plan', 'status']) {
    expect(await sh.run('migrate', action, ...ENDS)).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/there is no bus at sqlite:.*one\.db\nhint: Check the name/),
    });
  }
  expect(existsSync(sh.dir.join('one.db'))).toBe(false);
  await sh.out('register', '@a', '--url', ONE);
  expect(await sh.run('migrate', 'plan', ...ENDS)).toMatchObject({
    code: 6,
    stdout: expect.stringMatching(/problem .*two\.db is not empty\n {8}Choose an empty store/),
  });
  expect((await sh.run('migrate', 'start', ONE, ONE)).code).toBe(6);
  expect((await sh.run('migrate', 'begin', ...ENDS)).code).toBe(2);
  expect((await sh.run('migrate', 'plan', ONE)).code).toBe(2);
});

test.each([
  ['sqlite', 'unix'],
  ['unix', 'sqlite'],
])('%s and %s of one project are one store, so there is nothing to move', { timeout: 90_000 }, async (from, to) => {
  await using sh = shell();
  await sh.out('send', '@a', 'hello', '--create-inbox', '--url', 'sqlite');
  const nothing = /sqlite:\S+ and unix:\S+ are the same store|unix:\S+ and sqlite:\S+ are the same store/;
  for (const action of ['plan', 'start']) {
    const { code, stdout, stderr } = await sh.run('migrate', action, from, to);
    expect({ code, said: stdout + stderr }).toEqual({ code: 6, said: expect.stringMatching(nothing) });
    expect(stdout + stderr).toContain('There is nothing to move.');
  }
  expect(await sh.out('recv', '@a', '--url', 'sqlite')).toContain('hello');
  await sh.use({ args: ['hub', 'stop'], env: { MESSAGE_BUS: 'unix' } });
});

test.concurrent('commands over a bus that may move find it before and after the move', {
  timeout: 90_000,
}, async () => {
  await using sh = shell();
  const env = { MESSAGE_BUS: `migrate:?from=${encodeURIComponent(ONE)}&to=two` };
  writeFileSync(sh.dir.join('busbar.config.json'), JSON.stringify({ buses: { two: TWO } }));
  const run = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await sh.use({ args, env });
    expect({ code, stderr }).toMatchObject({ code: 0 });
    return stdout.trimEnd();
  };
  await run('register', '@a');
  await run('register', '@b');
  await run('send', '@a', 'first');
  expect(await run('doctor')).toMatch(/ok .*parts +sqlite:.*one\.db carries the bus: /);
  const waiting = sh.start({ args: ['recv', '@b', '--wait=60s'], env });
  await sh.out('migrate', 'start', ...ENDS);
  expect(await run('recv', '@a')).toContain('first');
  await run('send', '@b', 'second');
  expect((await waiting.ended).stdout).toContain('second');
  expect(await run('doctor')).toMatch(/warn .*parts +sqlite:.*two\.db carries the bus: /);
});

test.concurrent('a command waits for the end of a move as long as its time-out', async () => {
  await using sh = shell();
  const env = { MESSAGE_BUS: 'migrate:?from=sqlite:./one.db&to=sqlite:./two.db' };
  await sh.use({ args: ['register', '@a'], env });
  await using source = await connectTransport(`sqlite:${sh.dir.join('one.db')}`);
  const { revision } = await source.admin.setGate('closed', { ifRevision: 0, ttlMs: 60_000 });
  expect(await sh.use({ args: ['send', '@a', 'x', '--timeout', '2s'], env })).toMatchObject({
    code: 69,
    stderr: expect.stringMatching(/the bus( in .*)? is being moved/),
  });
  const sending = sh.start({ args: ['send', '@a', 'y', '--timeout', '30s'], env });
  await source.admin.setGate('open', { ifRevision: revision });
  expect(await sending.ended).toMatchObject({ code: 0 });
});

test('a status says how far a move is', { timeout: 90_000 }, async () => {
  await using sh = shell();
  await sh.out('send', '@a', 'hello', '--create-inbox', '--url', ONE);
  await using source = await connectTransport(`sqlite:${sh.dir.join('one.db')}`);
  await using target = await connectTransport(`sqlite:${sh.dir.join('two.db')}`);
  expect(await sh.out('migrate', 'status', ...ENDS)).toMatch(
    /^no move\nfrom {4}open .*one\.db {2}1 message, 0 events\nto {6}open .*two\.db {2}0 messages, 0 events$/,
  );
  const mark = { from: await sourceName(sh), incarnation: source.past?.incarnation, startedAt: Date.now() - 4_000 };
  await target.kv.put('$migrate', Buffer.from(JSON.stringify(mark)));
  expect(await sh.out('migrate', 'status', ...ENDS)).toMatch(/^a move was ended before its cutover\n/);
  await target.admin.setGate('closed', { ifRevision: 0, ttlMs: 60_000 });
  await source.admin.setGate('closed', { ifRevision: 0, ttlMs: 60_000 });
  expect(await sh.out('migrate', 'status', ...ENDS)).toMatch(
    /^a move is under way: transfer, \S+s so far, about \S+ left\nfrom {4}closed .* 1 message, .*\nto {6}closed .* 0 messages, /,
  );
});

test('the commands of the runbook', { timeout: 120_000 }, async ({ skip }) => {
  needServer('redis-server', skip);
  await using server = await startRedis();
  await using sh = shell();
  const runbook = readFileSync(new URL('../../../docs/migrating.md', import.meta.url), 'utf8');
  const onServer = (text: string): string => text.replace(/\bredis\b/, server.url);
  const block = [...runbook.matchAll(/^busbar (.*?)(?: {2,}#.*)?$/gm)].map(([, line = '']) => onServer(line));
  const inText = [...runbook.matchAll(/`(?:busbar )?((?:migrate|export) [^`]*\b(?:FROM|TO)\b[^`]*)`/g)].map(
    ([, line = '']) => line.replace('FROM', 'sqlite').replace('TO', server.url),
  );
  const is = (line: string, action: string): boolean => line.startsWith(`migrate ${action} `);
  const [back = '', ...others] = inText.filter((line) => is(line, 'start'));
  const [rollback = '', ...more] = inText.filter((line) => is(line, 'rollback'));
  const before = inText.filter((line) => is(line, 'plan') || line.startsWith('export '));
  const again = inText.filter((line) => is(line, 'retire'));
  expect([others, more, inText.length]).toEqual([[], [], 2 + before.length + again.length]);
  expect(block.map((line) => line.split(' ')[1])).toEqual(['plan', 'start', 'status', 'retire']);
  expect([before.length, again.length]).toEqual([2, 1]);

  await sh.out('send', '@a', 'hello', '--create-inbox');
  const printed = new Map<string, string>();
  for (const line of [...before, rollback, ...block, ...again, back]) {
    printed.set(line, await sh.out(...line.split(' ')));
  }
  expect(existsSync(sh.dir.join('backup.jsonl'))).toBe(true);
  expect(printed.get(rollback)).toMatch(/^the bus is in sqlite:/);
  expect(block.map((line) => printed.get(line))).toEqual([
    expect.stringMatching(/\ntakes .*\npause /),
    expect.stringMatching(/^moved {3}1 message, /),
    expect.stringMatching(/^the bus has moved\nfrom {4}moved /),
    expect.stringMatching(/^sqlite:.* is empty$/),
  ]);
  const [, following = ''] = /^export MESSAGE_BUS='(.*)'$/m.exec(runbook) ?? [];
  const env = { MESSAGE_BUS: following.replace(/\bredis\b/, encodeURIComponent(server.url)) };
  const { code, stdout } = await sh.use({ args: ['recv', '@a'], env });
  expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining('hello') });
});

/** The name that a move gives to its source. */
async function sourceName(sh: Shell): Promise<string> {
  const [from = ''] = /sqlite:.*one\.db/.exec(await sh.out('migrate', 'plan', ...ENDS)) ?? [];
  return from;
}
