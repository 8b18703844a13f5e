// Completion: the words that may follow, with live names, and the scripts of the shells.
import { execFileSync, spawnSync } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import { delimiter, dirname } from 'node:path';
import { describe, expect, test } from 'vitest';
import { onEachBus } from './buses.ts';
import { bin, type Shell, shell } from './shell.ts';

const complete = async (sh: Shell, ...words: string[]): Promise<string[]> => {
  // The machine may be busy: a shell waits for one second.
  const text = await sh.out('completion', 'words', '--timeout', '15s', '--', ...words);
  return text === '' ? [] : text.split('\n');
};

onEachBus((open) => {
  test('completes names of agents, queues and topics', async () => {
    await using project = await open();
    await project.out('register', '@reviewer');
    await project.out('register', '@worker');
    await project.out('task', 'add', 'build', '1');
    await project.out('publish', 'user.login', '1');
    expect(await complete(project, 'send', '@')).toEqual(['@reviewer', '@worker']);
    expect(await complete(project, 'send', '--type', 'x', '@w')).toEqual(['@worker']);
    expect(await complete(project, 'recv', '--as', '@r')).toEqual(['@reviewer']);
    expect(await complete(project, 'recv', '--as=@r')).toEqual(['--as=@reviewer']);
    expect(await complete(project, 'dead', 'list', '')).toEqual(['@reviewer', '@worker', 'build']);
    expect(await complete(project, 'task', 'ls', 'b')).toEqual(['build']);
    expect(await complete(project, 'tail', 'u')).toEqual(['user.login']);
    expect(await complete(project, 'send', '@worker', '')).toEqual([]);
  });
});

describe('words', () => {
  test('are verbs, flags, choices, actions, buses and topics of the help', async () => {
    await using sh = shell();
    expect(await complete(sh, 're')).toEqual([
      'recv',
      'register',
      'reject',
      'release',
      'reply',
      'request',
      'resume',
      'retry',
    ]);
    expect(await complete(sh, '--url', 'sqlite', 'whe')).toEqual(['where']);
    expect(await complete(sh, 'recv', '--w')).toEqual(['--wait', '--wait-for-server']);
    expect(await complete(sh, 'recv', '--ack', '')).toEqual(['auto', 'manual']);
    expect(await complete(sh, 'recv', '--ack=m')).toEqual(['--ack=manual']);
    expect(await complete(sh, 'dead', 'r')).toContain('redrive');
    expect(await complete(sh, 'hub', '')).toEqual(['status', 'stop']);
    expect(await complete(sh, 'bridge', 'sql')).toEqual(['sqlite']);
    expect(await complete(sh, 'agents', '--url', 're')).toEqual(['redis']);
    expect(await complete(sh, 'help', 'exi')).toEqual(['exit-codes']);
    expect(await complete(sh, 'completion', '')).toEqual(['bash', 'fish', 'words', 'zsh']);
  });

  test('are none where anything may stand, for an unknown verb, and for a bus that is not there', async () => {
    await using sh = shell();
    for (const words of [
      ['sned', ''],
      ['work', 'q', '--', ''],
      ['send', '@'],
      ['agents', ''],
      ['export', ''],
    ]) {
      expect([words, await complete(sh, ...words)]).toEqual([words, []]);
    }
    expect(await complete(sh, 'send', '--url', 'redis://127.0.0.1:1', '@')).toEqual([]);
    expect(await complete(sh, 'send', '--url', 'nonsense', '@')).toEqual([]);
    expect(await sh.out('completion', 'words', '--json', '--', 'hub', 'st')).toBe('["status","stop"]');
  });

  test('another shell is refused', async () => {
    await using sh = shell();
    expect(await sh.run('completion', 'csh')).toMatchObject({
      code: 2,
      stderr: /unknown shell "csh"\nhint: .*bash, zsh, fish/,
    });
    expect(await sh.run('completion')).toMatchObject({ code: 2, stderr: /ACTION is missing/ });
  });
});

/** The answers of a shell that has loaded its script: `busbar` is on its PATH. */
function ask(sh: Shell, program: string, script: string): string[] {
  symlinkSync(bin, sh.dir.join('busbar'));
  const PATH = [sh.dir.path, dirname(process.execPath), process.env['PATH']].join(delimiter);
  const env = { ...process.env, PATH, MESSAGE_BUS: undefined, BUSBAR_TIMEOUT: '15s' };
  return execFileSync(program, ['-c', script], { cwd: sh.dir.path, env, encoding: 'utf8' }).trimEnd().split('\n');
}

const has = (program: string): boolean => spawnSync(program, ['--version']).status === 0;

describe.runIf(has('bash'))('bash', () => {
  const typed = (line: string, breaks = '@:='): string =>
    `source <(busbar completion bash); COMP_WORDBREAKS=$' \\n${breaks}'; COMP_LINE='${line}'; COMP_POINT=\${#COMP_LINE}; _busbar; printf '%s\\n' "\${COMPREPLY[@]}"; complete -p busbar`;

  test('replaces what follows the last break of a word', async () => {
    await using sh = shell();
    await sh.out('register', '@reviewer');
    const loaded = 'complete -o default -F _busbar busbar';
    expect(ask(sh, 'bash', typed('busbar send @re'))).toEqual(['reviewer', loaded]);
  });

  test('takes whole words without such breaks, and an empty word', async () => {
    await using sh = shell();
    await sh.out('register', '@reviewer');
    expect(ask(sh, 'bash', typed('busbar send @re', ''))[0]).toBe('@reviewer');
  });

  test('completes after a space', async () => {
    await using sh = shell();
    expect(ask(sh, 'bash', typed('busbar hub ')).slice(0, 2)).toEqual(['status', 'stop']);
  });
});

test.runIf(has('zsh'))('zsh takes its script', async () => {
  await using sh = shell();
  const script = 'autoload -Uz compinit && compinit -D; source <(busbar completion zsh); print $_comps[busbar]';
  expect(ask(sh, 'zsh', script)).toEqual(['_busbar']);
});

test.runIf(has('fish'))('fish completes verbs and names', async () => {
  await using sh = shell();
  await sh.out('register', '@reviewer');
  const script = `busbar completion fish | source; complete -C 'busbar send @re'; complete -C 'busbar hub st'`;
  expect(ask(sh, 'fish', script)).toEqual(['@reviewer', 'status', 'stop']);
});
