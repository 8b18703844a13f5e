// An audited bus from a shell.
import { readFileSync } from 'node:fs';
import { needServer, startRedis } from '@busbar/testbed';
import { expect, test } from 'vitest';
import { type Ending, type Shell, shell } from './shell.ts';

const AUDITED = 'audit:?of=sqlite';

/** Runs a command on an audited bus and expects success. */
async function audited(sh: Shell, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(sh, ...args);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  return stdout.trimEnd();
}

function run(sh: Shell, ...args: string[]): Promise<Ending> {
  return sh.use({ args, env: { MESSAGE_BUS: AUDITED } });
}

test('what happened to a message, in every verb', { timeout: 90_000 }, async () => {
  await using sh = shell();
  await audited(sh, 'register', '@worker');
  const id = await audited(sh, 'send', '@worker', '{"file":"a.ts"}', '--as', '@boss', '--type', 'build');
  const [receipt = ''] = (await audited(sh, 'recv', '@worker', '--json'))
    .split('\n')
    .map((line) => JSON.parse(line).receipt);
  await audited(sh, 'retry', receipt, '--reason', 'no disk');
  await audited(sh, 'publish', 'news', '1');

  const { stdout, stderr } = await run(sh, 'audit');
  expect(stdout).toMatch(/^TIME +FATE +WHERE +ID +MESSAGE\n/);
  expect(stdout).toMatch(/retried +@worker +…[0-9a-f]{12} +@boss: build \{"file":"a\.ts"\}\n/);
  expect(stdout).toMatch(/published +news /);
  expect(stderr).toBe('busbar: 2 messages (1 retried, 1 published), no gaps\n');
  expect(await audited(sh, 'audit', '--agent', '@boss', '--grep', 'A.TS', '-q')).toMatch(/^TIME.*\n.*retried.*$/);
  expect(await audited(sh, 'audit', '--topic', 'other.*', '-q')).toBe('');
  expect(await audited(sh, 'audit', '--topic', '*', '-q')).toMatch(/^TIME.*\n.*published.*$/);
  expect(await audited(sh, 'audit', '--queue', 'other', '-q')).toBe('');
  const [line = ''] = (await audited(sh, 'audit', '--queue', '$inbox.@worker', '--json')).split('\n');
  expect(JSON.parse(line)).toMatchObject({ id, fate: 'retried', attempts: 1, records: [{ action: 'sent' }, {}, {}] });

  const shown = await audited(sh, 'show', id.slice(-12));
  expect(shown).toMatch(
    new RegExp(`^id +${id}\nfrom +@boss\nto +@worker\ntype +build\nbody .*\nnow +@worker: READY, attempt 1`),
  );
  expect(shown).toMatch(/delivered +attempt 1/);
  expect(shown).toMatch(/retried +attempt 1 “no disk”/);
  expect(JSON.parse(await audited(sh, 'show', id, '--json'))).toMatchObject({
    id,
    live: [{ state: 'ready', attempts: 1 }],
  });
  await audited(sh, 'recv', '@worker');
  expect(JSON.parse(await audited(sh, 'show', id, '--json'))).toMatchObject({ live: [{ state: 'held' }] });
});

const RUNBOOK = readFileSync(new URL('../../../docs/audit.md', import.meta.url), 'utf8');
const BUSES = [...RUNBOOK.matchAll(/^export MESSAGE_BUS='(.*?)'/gm)].map(([, url = '']) => url);
const COMMANDS = [
  ...RUNBOOK.matchAll(/^busbar (.*?)(?: +#.*)?$/gm),
  ...RUNBOOK.matchAll(/`busbar (doctor|audit --[^`]*)`/g),
].map(([, command = '']) => command);

test.for(BUSES)('the commands of the runbook with %s', { timeout: 120_000 }, async (url, { skip }) => {
  const isOnServer = url.includes('of=redis');
  if (isOnServer) needServer('redis-server', skip);
  await using server = isOnServer ? await startRedis() : undefined;
  await using sh = shell({ MESSAGE_BUS: url.replace('of=redis', `of=${encodeURIComponent(server?.url ?? '')}`) });
  await sh.out('register', '@worker');
  const id = await sh.out('send', '@worker', 'hello', '--as', '@boss');
  await sh.out('task', 'add', 'build', '"timeout"');
  const printed: string[] = [];
  for (const command of COMMANDS) {
    const args = command.replace('4f1c2a9b7d3e', id.slice(-12)).replace('QUEUE', 'build').split(' ');
    printed.push(await sh.out(...args));
  }
  expect(printed).toEqual([
    expect.stringMatching(/sent +@worker .*\n.*sent +build |sent +build .*\n.*sent +@worker /),
    expect.stringMatching(/^TIME.*\n.*sent +@worker .*$/),
    expect.stringMatching(/^TIME.*\n.*sent +build .*timeout.*$/),
    expect.stringMatching(/^id .*\n(.*\n)*now .*READY/),
    expect.stringMatching(/@worker +sent +@boss: .*hello$/),
    expect.stringMatching(/^from .*\n.*hello\n +sent$/),
    expect.stringMatching(/^ok /m),
    expect.stringContaining('"fate":"sent"'),
  ]);
});

test('a conversation and what followed from a message', { timeout: 90_000 }, async () => {
  await using sh = shell();
  await audited(sh, 'register', '@worker');
  await audited(sh, 'register', '@boss');
  const ask = await audited(sh, 'send', '@worker', 'do it', '--as', '@boss', '--correlation', 'job-1');
  await audited(sh, 'send', '@boss', 'done', '--as', '@worker', '--correlation', 'job-1');
  const lines = (await audited(sh, 'thread', ask)).split('\n');
  expect(lines.length).toBe(3);
  expect(lines[1]).toMatch(/@worker +sent +@boss: .*do it/);
  expect(lines[2]).toMatch(/^\+\S+ .*@boss +sent +@worker: .*done/);
  expect(await audited(sh, 'trace', ask)).toMatch(/^from .*\n\+0ms +@worker {2}@boss: message do it\n +sent$/);
  expect(JSON.parse(await audited(sh, 'trace', ask, '--json'))).toMatchObject({ id: ask, followed: [] });
});

test('what is not audited, not known or not legal is refused', { timeout: 60_000 }, async () => {
  await using sh = shell();
  expect(await sh.run('audit')).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/is not audited\nhint: .*audit:/),
  });
  expect(await run(sh, 'audit')).toMatchObject({
    code: 0,
    stderr: expect.stringContaining('there is no audit log yet'),
  });
  expect(await run(sh, 'show', 'unknown')).toMatchObject({ code: 3 });
  for (const url of ['audit:', 'audit:?log=sqlite', 'audit:?of=sqlite&log=sqlite', 'audit:?of=sqlite&onFull=drop']) {
    expect(await sh.run('register', '@a', '--url', url)).toMatchObject({ code: 2 });
  }
});
