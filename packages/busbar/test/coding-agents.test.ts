// For coding agents: the guide, the files of a project, and the number of unread messages.
import { execFileSync } from 'node:child_process';
import {
  chownSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { waitFor } from '@busbar/testbed';
import { describe, expect, test } from 'vitest';
import { findVerb } from '../src/cli/command.ts';
import { GUIDE } from '../src/cli/guide.ts';
import { GLOBAL_FLAGS } from '../src/cli/input/global-flags.ts';
import { VERB_GROUPS } from '../src/cli/verbs.ts';
import { onEachBus } from './buses.ts';
import { type Started, shell } from './shell.ts';

describe('guide', () => {
  test('has less than 700 words, and lines of at most 120 characters', async () => {
    await using sh = shell();
    expect(await sh.out('guide')).toBe(GUIDE);
    expect(await sh.json('guide')).toEqual([{ guide: GUIDE }]);
    expect(GUIDE.split(/\s+/).length).toBeLessThan(700);
    for (const line of GUIDE.split('\n')) expect(line.length, line).toBeLessThanOrEqual(120);
    expect(await sh.run('guide', 'x')).toMatchObject({ code: 2 });
  });

  test('names verbs and flags that exist', async () => {
    const lines = [...GUIDE.matchAll(/^ {4}(?:.*\| )?busbar ([a-z]+)(.*)$/gm)];
    expect(lines.length).toBeGreaterThan(20);
    for (const [line, verb = '', rest = ''] of lines) {
      const { flags } = await findVerb(verb, VERB_GROUPS).load();
      const words = rest.replace(/ #.*| -- .*/, '').match(/(?<= )--[a-z-]+/g) ?? [];
      for (const word of words) expect(Object.keys({ ...GLOBAL_FLAGS, ...flags }), line).toContain(word.slice(2));
    }
  });
});

onEachBus((open) => {
  test('inbox shows and counts what waits, and takes nothing', async () => {
    await using project = await open();
    await project.out('register', '@a');
    expect(await project.run('inbox', '@a')).toMatchObject({ code: 4, stdout: '' });
    expect(await project.out('inbox', '@a', '--count')).toBe('0');
    await project.out('send', '@a', 'first');
    await project.out('send', '@a', 'second');
    await project.out('send', '@a', 'later', '--delay', '1h');
    expect(await project.out('inbox', '--count', '--as', '@a')).toBe('2');
    expect(await project.json('inbox', '@a', '--count')).toEqual([{ agent: '@a', count: 2 }]);
    expect((await project.json('inbox', '@a')).map(({ body }) => body)).toEqual(['first', 'second']);
    expect((await project.run('inbox', '@a', '--limit', '1')).stderr).toBe('busbar: 1 of 2; --limit shows more\n');
    expect(await project.out('recv', '@a', '--ack', 'auto')).toContain('first');
    expect(await project.out('inbox', '@a', '--count')).toBe('1');
    expect(await project.run('inbox', '@b')).toMatchObject({ code: 3, stderr: /Did you mean @a\?/ });
    expect(await project.run('inbox')).toMatchObject({ code: 2, stderr: /no agent is given/ });
  });

  test('inbox --hook prints what coding agents read, and is silent without mail', async () => {
    await using project = await open();
    const hook = async (input: string, ...args: string[]): Promise<unknown> => {
      const { code, stdout, stderr } = await project.use({ args: ['inbox', '--hook', ...args], input });
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      return stdout === '' ? undefined : JSON.parse(stdout);
    };
    expect(await hook('{}', '@a')).toBeUndefined();
    expect(await hook('{}')).toBeUndefined();
    await project.out('register', '@a');
    expect(await hook('{}', '@a')).toBeUndefined();
    await project.out('send', '@a', 'x');
    const text = '1 unread message for @a on the bus. Read one with: busbar recv @a --json';
    expect(await hook('{"hook_event_name":"UserPromptSubmit"}', '@a')).toEqual({
      hookSpecificOutput: { hookEventName: 'UserPromptSubmit', additionalContext: text },
    });
    expect(await hook('{"hook_event_name":"Stop"}', '--as', '@a')).toEqual({ decision: 'block', reason: text });
    expect(await hook('{"hook_event_name":"Stop","stop_hook_active":true}', '@a')).toBeUndefined();
    expect(await hook('{"hook_event_name":"BeforeAgent"}', '@a')).toEqual({
      hookSpecificOutput: { hookEventName: 'BeforeAgent', additionalContext: text },
    });
    expect(await hook('{"hook_event_name":"AfterAgent"}', '@a')).toEqual({ decision: 'deny', reason: text });
    expect(await hook('{"hook_event_name":"sessionStart"}', '@a')).toEqual({ additional_context: text });
    expect(await hook('{"hook_event_name":"stop","loop_count":0}', '@a')).toEqual({ followup_message: text });
    expect(await hook('{"hook_event_name":"stop","loop_count":1}', '@a')).toBeUndefined();
    expect(await hook('junk', '@a')).toBeUndefined();
  });

  test('a continued turn is told of mail that came since, and of no other', async () => {
    await using project = await open();
    const stop = (isActive: boolean, id = 's1'): string =>
      JSON.stringify({ hook_event_name: 'Stop', stop_hook_active: isActive, session_id: id });
    const hook = async (input: string): Promise<string> =>
      (await project.use({ args: ['inbox', '@a', '--hook'], input })).stdout;
    await project.out('register', '@a');
    await project.out('send', '@a', 'first');
    expect(await hook(stop(false))).toContain('1 unread message for @a');
    expect(await hook(stop(true))).toBe('');
    await project.out('send', '@a', 'second');
    expect(await hook(stop(true, 's2'))).toBe('');
    expect(await hook(stop(true))).toContain('2 unread messages for @a');
    expect(await hook(stop(true))).toBe('');
  });

  test('a hook in the background wakes its session once for each message', { timeout: 60_000 }, async () => {
    await using project = await open();
    const wait = (id: string, waitMs = 20_000): Started => {
      const input = JSON.stringify({ hook_event_name: 'Stop', session_id: id });
      return project.start({ args: ['inbox', '--hook', '--wait', `${waitMs}ms`, '--as', '@a'], input });
    };
    const awake = (some: string): object => ({
      code: 2,
      stdout: '',
      stderr: `${some} for @a on the bus. Read one with: busbar recv @a --json\n`,
    });
    await project.out('register', '@a');
    const first = wait('s1');
    await project.out('send', '@a', 'x');
    expect(await first.ended).toMatchObject(awake('1 unread message'));
    // It was told of this one. The next waiter of the session takes the place of the one before.
    const revision = async (): Promise<number> =>
      (await project.bus.transport.kv.get('$hook/@a/s1.waiter'))?.revision ?? 0;
    const before = await revision();
    const replaced = wait('s1');
    await waitFor(async () => (await revision()) > before, { what: 'the second waiter', timeoutMs: 15_000 });
    expect(await wait('s1', 3_500).ended).toMatchObject({ code: 0, stdout: '', stderr: '' });
    expect(await replaced.ended).toMatchObject({ code: 0, stdout: '', stderr: '' });
    await project.out('send', '@a', 'y');
    expect(await wait('s1').ended).toMatchObject(awake('2 unread messages'));
  });
});

test('a hook is silent and quick without a bus, and without its server', async () => {
  await using sh = shell();
  for (const url of ['sqlite', 'redis://127.0.0.1:1', 'nonsense']) {
    const args = ['inbox', '@a', '--hook', '--url', url];
    expect(await sh.use({ args, input: '{}' })).toMatchObject({ code: 0, stdout: '' });
  }
  const waiting = ['inbox', '@a', '--hook', '--wait', '300ms'];
  expect(await sh.use({ args: waiting, input: '{}' })).toMatchObject({ code: 0, stdout: '', stderr: '' });
  expect(await sh.run('inbox', '@a', '--wait')).toMatchObject({ code: 2, stderr: /--wait needs --hook/ });
  expect(readdirSync(sh.dir.path)).toEqual([]);
});

describe('init', () => {
  test('shows each file, and writes with --yes only', async () => {
    await using sh = shell();
    const shown = await sh.run('init', '--hooks', 'claude', '--as', '@claude');
    expect(shown.code).toBe(0);
    expect(shown.stdout).toMatch(/^create {2}\S+busbar\.config\.json\n\+ \{\n\+ {3}"bus": "sqlite"\n\+ \}\n/);
    expect(shown.stdout).toMatch(/\ncreate {2}\S+\.gitignore\n\+ \.busbar\/\n/);
    expect(shown.stdout).toMatch(
      /\ncreate {2}\S+\.claude\/settings\.json\n.*"command": "busbar inbox --hook --as @claude"/s,
    );
    expect(shown.stderr).toBe('busbar: nothing was written; busbar init --yes writes them\n');
    expect(readdirSync(sh.dir.path)).toEqual([]);
    const written = await sh.json('init', '--hooks', 'claude', '--as', '@claude', '--yes');
    expect(written.map(({ action, written: done }) => [action, done])).toEqual(Array(3).fill(['create', true]));
    const settings = JSON.parse(readFileSync(sh.dir.join('.claude/settings.json'), 'utf8'));
    expect(Object.keys(settings.hooks)).toEqual(['SessionStart', 'UserPromptSubmit', 'Stop']);
    expect(readFileSync(sh.dir.join('busbar.config.json'), 'utf8')).toBe('{\n  "bus": "sqlite"\n}\n');
    const again = await sh.run('init', '--hooks', 'claude', '--as', '@claude', '--yes');
    expect(again.stdout.match(/^keep/gm)).toHaveLength(3);
    expect(again.stderr).toBe('busbar: everything is there\n');
    expect((await sh.json('where'))[0]).toMatchObject({ origin: sh.dir.join('busbar.config.json') });
  });

  test('keeps what the files have, beside .git', async () => {
    await using sh = shell();
    execFileSync('git', ['init', '-q'], { cwd: sh.dir.path });
    mkdirSync(sh.dir.join('sub'));
    mkdirSync(sh.dir.join('.claude'));
    const own = { model: 'x', hooks: { Stop: [{ hooks: [{ type: 'command', command: 'mine' }] }] } };
    writeFileSync(sh.dir.join('.claude/settings.json'), JSON.stringify(own));
    writeFileSync(sh.dir.join('.gitignore'), 'node_modules');
    writeFileSync(sh.dir.join('busbar.config.json'), '{"bus":"redis"}');
    const { code } = await sh.use({ args: ['init', '--hooks', 'claude', '--yes'], cwd: sh.dir.join('sub') });
    expect(code).toBe(0);
    const settings = JSON.parse(readFileSync(sh.dir.join('.claude/settings.json'), 'utf8'));
    expect(settings.model).toBe('x');
    expect(settings.hooks.Stop).toMatchObject([
      { hooks: [{ command: 'mine' }] },
      { hooks: [{ command: 'busbar inbox --hook' }] },
      { hooks: [{ command: 'busbar inbox --hook --wait 12h', async: true, asyncRewake: true, timeout: 43_260 }] },
    ]);
    await sh.use({ args: ['init', '--hooks', 'claude', '--yes'], cwd: sh.dir.join('sub') });
    expect(JSON.parse(readFileSync(sh.dir.join('.claude/settings.json'), 'utf8'))).toEqual(settings);
    expect(readFileSync(sh.dir.join('.gitignore'), 'utf8')).toBe('node_modules\n.busbar/\n');
    expect(readFileSync(sh.dir.join('busbar.config.json'), 'utf8')).toBe('{"bus":"redis"}');
    expect(existsSync(sh.dir.join('sub/busbar.config.json'))).toBe(false);
  });

  test.each([
    ['codex', '.codex/hooks.json', ['SessionStart', 'UserPromptSubmit', 'Stop'], 10],
    ['gemini', '.gemini/settings.json', ['SessionStart', 'BeforeAgent', 'AfterAgent'], 10_000],
  ])('writes hooks of %s, once', async (host, file, events, timeout) => {
    await using sh = shell();
    const args = ['init', '--hooks', host, '--as', '@me', '--yes'];
    await sh.out(...args);
    const text = readFileSync(sh.dir.join(file), 'utf8');
    const hook = { type: 'command', command: 'busbar inbox --hook --as @me', timeout };
    expect(JSON.parse(text)).toEqual({
      hooks: Object.fromEntries(events.map((event) => [event, [{ hooks: [hook] }]])),
    });
    await sh.out(...args);
    expect(readFileSync(sh.dir.join(file), 'utf8')).toBe(text);
  });

  test('writes hooks of cursor, which have no groups, once and beside others', async () => {
    await using sh = shell();
    mkdirSync(sh.dir.join('.cursor'));
    writeFileSync(sh.dir.join('.cursor/hooks.json'), '{"version":1,"hooks":{"stop":[{"command":"mine"}]}}');
    const args = ['init', '--hooks', 'cursor', '--as', '@me', '--yes'];
    await sh.out(...args);
    const text = readFileSync(sh.dir.join('.cursor/hooks.json'), 'utf8');
    const hook = { command: 'busbar inbox --hook --as @me', timeout: 10 };
    expect(JSON.parse(text)).toEqual({
      version: 1,
      hooks: { stop: [{ command: 'mine' }, hook], sessionStart: [hook] },
    });
    await sh.out(...args);
    expect(readFileSync(sh.dir.join('.cursor/hooks.json'), 'utf8')).toBe(text);
  });

  test('writes through a link of this user, and no file or link of another one', async () => {
    await using sh = shell();
    const [file, target] = [sh.dir.join('AGENTS.md'), sh.dir.join('CLAUDE.md')];
    writeFileSync(target, '# Rules\n');
    symlinkSync(target, file);
    await sh.out('init', '--agents-md', '--yes');
    expect(readFileSync(target, 'utf8')).toMatch(/^# Rules\n\n<!-- busbar init -->/);
    expect(lstatSync(file).isSymbolicLink()).toBe(true);
    if (process.geteuid?.() !== 0) return;
    for (const foreign of [() => lchownSync(file, 12_345, 12_345), () => chownSync(target, 12_345, 12_345)]) {
      writeFileSync(target, '# Rules\n');
      foreign();
      const refused = await sh.run('init', '--agents-md', '--yes');
      expect(refused).toMatchObject({
        code: 7,
        stderr: expect.stringContaining('belongs to another user (uid 12345)'),
      });
      expect(readFileSync(target, 'utf8')).toBe('# Rules\n');
    }
  });

  test('adds a section to AGENTS.md, once, below what is there', async () => {
    await using sh = shell();
    writeFileSync(sh.dir.join('AGENTS.md'), '# Rules');
    const shown = await sh.run('init', '--agents-md', '--as', '@me');
    expect(shown.stdout).toMatch(/^change {2}\S+AGENTS\.md\n {2}# Rules\n.*\+ - Run `busbar inbox @me --count`/ms);
    expect(readFileSync(sh.dir.join('AGENTS.md'), 'utf8')).toBe('# Rules');
    await sh.out('init', '--agents-md', '--as', '@me', '--yes');
    const text = readFileSync(sh.dir.join('AGENTS.md'), 'utf8');
    expect(text).toMatch(/^# Rules\n\n<!-- busbar init -->\n## /);
    await sh.out('init', '--agents-md', '--yes');
    expect(readFileSync(sh.dir.join('AGENTS.md'), 'utf8')).toBe(text);
  });

  test.each([
    [['init', '--bus', 'mysql:'], /unknown scheme "mysql"/],
    [['init', '--bus', 'team'], /--bus is a name of busbar\.config\.json/],
    [['init', '--hooks', 'vi'], /--hooks is illegal/],
    [['init', '--as', 'a b'], /illegal agent name/],
    [['init', '--hooks', 'claude', '--yes'], /settings\.json is not JSON/],
  ])('%j is refused', async (args, message) => {
    await using sh = shell();
    mkdirSync(sh.dir.join('.claude'));
    writeFileSync(sh.dir.join('.claude/settings.json'), '{ broken');
    const { code, stdout, stderr } = await sh.run(...args);
    expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: '', stderr: expect.stringMatching(message) });
    expect(readFileSync(sh.dir.join('.claude/settings.json'), 'utf8')).toBe('{ broken');
  });
});
