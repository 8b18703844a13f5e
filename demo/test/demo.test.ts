/** The demonstration from end to end, as processes over SQLite. */

import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { type Child, waitFor } from '@busbar/testbed';
import { connect } from 'busbar';
import { describe, expect, test } from 'vitest';
import { LONG, lastLine, recordsIn, run, stage, start } from './stage.ts';

/** The namespace of the run, as soon as it has told it. */
function namespaceOf(child: Child): Promise<string> {
  return waitFor(() => /namespace (demo-[0-9a-f]+)/.exec(child.stderr)?.[1], { what: 'a run', timeoutMs: LONG });
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
