/** The demonstration from end to end, as processes over SQLite. */

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type Child, type Outcome, runNode, spawnChild, type TempDir, tempDir, waitFor } from '@busbar/testbed';
import { connect } from 'busbar';
import { describe, expect, test } from 'vitest';
import { makeTree } from './tree.ts';

const file = new URL('../src/main.ts', import.meta.url);
const LONG = 90_000;

/** A tree, and folders for what the demonstration makes: temporary files, and a bus. */
async function stage(files: number): Promise<AsyncDisposable & { files: number; dir: TempDir; tree: string }> {
  const dir = tempDir('demo-test');
  for (const name of ['tree', 'tmp']) mkdirSync(dir.join(name));
  const tree = dir.join('tree');
  return { dir, tree, files: makeTree(tree, files), [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose]() };
}

function environment(dir: TempDir, bus?: string): Record<string, string | undefined> {
  return { TMPDIR: dir.join('tmp'), MESSAGE_BUS: bus, INIT_CWD: undefined };
}

function run(dir: TempDir, args: readonly string[], bus?: string): Promise<Outcome> {
  return runNode({ file, args, env: environment(dir, bus), cwd: dir.path, timeoutMs: LONG });
}

function start(dir: TempDir, args: readonly string[], bus: string): Child {
  return spawnChild({ file, args, env: environment(dir, bus), cwd: dir.path });
}

function lastLine({ stdout }: Outcome): string {
  return stdout.trimEnd().split('\n').at(-1) ?? '';
}

/** The namespace of the run, as soon as it has told it. */
function namespaceOf(child: Child): Promise<string> {
  return waitFor(() => /namespace (demo-[0-9a-f]+)/.exec(child.stderr)?.[1], { what: 'a run', timeoutMs: LONG });
}

/** How much is kept in a namespace. */
async function recordsIn(url: string, ns: string): Promise<number> {
  await using bus = await connect(url, { ns });
  let records = 0;
  for await (const { kind } of bus.transport.admin.exportState()) if (kind !== 'revision') records += 1;
  return records;
}

test('every file has a result, whatever it is; a report is printed and stays', { timeout: LONG }, async () => {
  await using on = await stage(120);
  const outcome = await run(on.dir, ['tree']);
  expect(outcome).toMatchObject({ code: 0 });
  expect(lastLine(outcome)).toBe(`demo: ${on.files} files, ${on.files} results, 0 lost, 0 duplicated, 0 killed`);
  expect(outcome.stdout).toMatch(/^requests +13 asked, 13 answered/m);
  expect(outcome.stdout).toMatch(/^deliveries .* 0 of them with attempt ≥ 2$/m);
  const [, published, received, replayed] =
    /events +([\d,]+) published, ([\d,]+) received, ([\d,]+) replayed/.exec(outcome.stdout) ?? [];
  expect([received, replayed]).toEqual([published, published]);
  expect(outcome.stdout.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
  const report = /^report: (.+)$/m.exec(outcome.stderr)?.[1] ?? '';
  expect(readFileSync(report, 'utf8')).toContain(lastLine(outcome));
  expect(readdirSync(on.dir.join('tmp'))).toEqual([expect.stringMatching(/^busbar-report-/)]);
});

test('workers are killed at work and nothing is lost; the bus is left as it was found', { timeout: LONG }, async () => {
  await using on = await stage(150);
  const url = `sqlite:${on.dir.join('bus.db')}`;
  await using bus = await connect(url);
  await bus.enqueue('mine', 1);
  const outcome = await run(on.dir, [on.tree, '--kill', '--workers', '4'], url);
  expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
  expect(lastLine(outcome)).toBe(`demo: ${on.files} files, ${on.files} results, 0 lost, 0 duplicated, 2 killed`);
  expect(outcome.stderr).toMatch(/(?:killed @demo\.worker-\d while it held [\s\S]*){2}/);
  const redelivered = /, (\d+) of them with attempt ≥ 2$/m.exec(outcome.stdout)?.[1];
  expect(Number(redelivered)).toBeGreaterThanOrEqual(2);
  const ns = /namespace (demo-[0-9a-f]+)/.exec(outcome.stdout)?.[1] ?? '';
  expect(await recordsIn(url, ns)).toBe(0);
  expect((await bus.stats()).queues).toMatchObject([{ name: 'mine', ready: 1 }]);
});

test('the bus moves while agents work and die; both stores are left as they were found', {
  timeout: LONG,
}, async () => {
  await using on = await stage(60);
  const [one, other] = ['one', 'other'].map((name) => `sqlite:${on.dir.join(`${name}.db`)}`);
  const outcome = await run(on.dir, [on.tree, '--kill', '--migrate', `${other}?ns=mine`], `${one}?ns=mine`);
  expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
  const counts = `${on.files} files, ${on.files} results, 0 lost, 0 duplicated, 2 killed, moved to sqlite`;
  expect(lastLine(outcome)).toBe(`demo: ${counts}`);
  expect(outcome.stderr).toMatch(
    /^moving the bus from sqlite to sqlite\n(?:.*\n)*the bus is in sqlite, after a pause/m,
  );
  expect(outcome.stdout).toMatch(/^records +[1-9]\d* messages, [1-9]\d* events, [1-9]\d* keys/m);
  const ns = /namespace (demo-[0-9a-f]+)/.exec(outcome.stdout)?.[1] ?? '';
  for (const url of [one, other]) expect(await recordsIn(url ?? '', ns)).toBe(0);
});

test('one worker and one file are enough to be killed twice', { timeout: LONG }, async () => {
  await using dir = tempDir('demo-test');
  for (const name of ['tree', 'tmp']) mkdirSync(dir.join(name));
  writeFileSync(dir.join('tree', 'only.ts'), 'x\n');
  const outcome = await run(dir, ['tree', '--kill', '--workers', '1']);
  expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
  expect(lastLine(outcome)).toBe('demo: 1 files, 1 results, 0 lost, 0 duplicated, 2 killed');
});

test('Ctrl-C ends everything and leaves nothing', { timeout: LONG }, async () => {
  await using on = await stage(150);
  const url = `sqlite:${on.dir.join('bus.db')}`;
  await using child = start(on.dir, ['tree', '--kill'], url);
  const ns = await namespaceOf(child);
  expect(await child.kill('SIGINT')).toEqual({ code: 130, signal: null });
  expect(child.stdout).toBe('');
  expect(await recordsIn(url, ns)).toBe(0);
  expect(readdirSync(on.dir.join('tmp'))).toEqual([]);
});

test('a process that ends by itself ends the run, with what it said', { timeout: LONG }, async () => {
  await using on = await stage(150);
  const url = `sqlite:${on.dir.join('bus.db')}`;
  await using child = start(on.dir, ['tree', '--kill'], url);
  const ns = await namespaceOf(child);
  await using bus = await connect(url, { ns });
  const editor = (await bus.agents()).find(({ name }) => name === '@demo.editor-1');
  process.kill(editor?.instances[0]?.pid ?? 0, 'SIGKILL');
  expect(await child.exited).toEqual({ code: 1, signal: null });
  expect(child.stderr).toContain('demo: @demo.editor-1 ended by itself (SIGKILL)');
  expect(child.stdout).toBe('');
  expect(await recordsIn(url, ns)).toBe(0);
});

describe('refused with one reason, exit code 2', () => {
  const sqlite = undefined;
  test.each([
    [['nowhere'], sqlite, 'PATH "nowhere" does not exist'],
    [['tree/part-0/deep/file-0.ts'], sqlite, 'PATH "tree/part-0/deep/file-0.ts" is not a folder'],
    [['empty'], sqlite, /^demo: no source files under .*\/empty$/m],
    [['tree', 'empty'], sqlite, 'expected at most one PATH, not 2'],
    [['--workers', 'many'], sqlite, '--workers "many" is not a whole number from 1 to 64'],
    [['--bad'], sqlite, "Unknown option '--bad'"],
    [['--kill-server'], sqlite, '--kill-server: sqlite has no server to kill'],
    [['tree', '--migrate', 'memory'], sqlite, 'memory lives in one process'],
    [['tree', '--migrate', 'sqlit'], sqlite, '--migrate: the URL names an unknown bus: "sqlit"'],
    [['tree', '--migrate', 'sqlite:b.db'], 'sqlite:./b.db', '--migrate: sqlite and sqlite are the same store'],
    [['tree'], 'memory', 'memory lives in one process'],
    [['tree'], 'memory:x', 'memory lives in one process'],
    [['tree'], 'sqlit', 'MESSAGE_BUS names an unknown bus: "sqlit"'],
    [['tree'], 'sqlite:b.db?durability=no', 'durability is illegal'],
  ])('%j on %s', { timeout: LONG }, async (args, bus, reason) => {
    await using on = await stage(1);
    mkdirSync(on.dir.join('empty'));
    const { code, stdout, stderr } = await run(on.dir, args, bus);
    expect({ code, stdout }, stderr).toEqual({ code: 2, stdout: '' });
    if (reason instanceof RegExp) expect(stderr).toMatch(reason);
    else expect(stderr).toContain(`demo: ${reason}`);
    expect(stderr).not.toMatch(/^ +at /m);
    expect(readdirSync(on.dir.join('tmp'))).toEqual([]);
  });
});
