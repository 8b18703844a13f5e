/** The demonstration over servers: killed at half time, or left as they were found. */

import { readdirSync } from 'node:fs';
import { readLog, type Trail, trailsOf } from '@busbar/compose';
import { needServer, type Outcome, runNode, type ServerProgram, type TempDir } from '@busbar/testbed';
import { connect } from 'busbar';
import { describe, expect, test } from 'vitest';
import { file, LONG, lastLine, stage } from './stage.ts';

function run(dir: TempDir, bus: string | undefined, ...args: readonly string[]): Promise<Outcome> {
  const env = { TMPDIR: dir.join('tmp'), MESSAGE_BUS: bus, INIT_CWD: undefined };
  return runNode({ file, args: ['tree', ...args], env, cwd: dir.path, timeoutMs: 2 * LONG });
}

/** The temporary files of a run. Node keeps the compiled modules of the command among them. */
function leftovers(dir: TempDir): string[] {
  return readdirSync(dir.join('tmp')).filter((name) => name !== 'node-compile-cache');
}

/** Short names of buses, each with the program that must be there. */
const programs: Record<string, ServerProgram | undefined> = {
  ...{ redis: 'redis-server', unix: undefined },
  ...(process.env['BUSBAR_FULL'] === '1' && { zmq: undefined, ws: undefined }),
};

describe.each(Object.entries(programs))('%s', (bus, program) => {
  test('the server is killed, and two workers; nothing is lost or counted twice', { timeout: LONG }, async ({
    skip,
  }) => {
    if (program !== undefined) needServer(program, skip);
    await using on = await stage(150);
    const outcome = await run(on.dir, bus, '--kill', '--kill-server');
    expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
    const counts = `${on.files} files, ${on.files} results, 0 lost, 0 duplicated, 2 killed, 1 server killed`;
    expect(lastLine(outcome)).toBe(`demo: ${counts}`);
    expect(outcome.stderr).toMatch(
      /^killed the server\n(?:.*\n)*the server is back after \d+\.\d\d s, on the same data$/m,
    );
    expect(leftovers(on.dir)).toEqual([expect.stringMatching(/^busbar-report-/)]);
  });
});

test('the fast part of a hybrid is killed, and two workers; it carries a third of all messages', {
  timeout: LONG,
}, async ({ skip }) => {
  needServer('redis-server', skip);
  await using on = await stage(150);
  const outcome = await run(on.dir, 'hybrid:?fast=redis&durable=sqlite', '--kill', '--kill-server');
  expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
  const counts = `${on.files} files, ${on.files} results, 0 lost, 0 duplicated, 2 killed, 1 server killed`;
  expect(lastLine(outcome)).toBe(`demo: ${counts}`);
  const [, share] = /^traffic +messages over each part: fast [\d,]+ \((\d+) %\), durable /m.exec(outcome.stdout) ?? [];
  expect(Number(share)).toBeGreaterThanOrEqual(34);
});

test('around a hybrid an audit has the last known fate of each task, and counts its gaps', {
  timeout: 2 * LONG,
}, async ({ skip }) => {
  needServer('redis-server', skip);
  await using on = await stage(60);
  const log = `sqlite:${on.dir.join('log.db')}`;
  const parameters = new URLSearchParams({ of: 'hybrid:?fast=redis&durable=sqlite', log, lookMs: '100' });
  const outcome = await run(on.dir, `audit:?${parameters}`, '--kill', '--kill-server');
  expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
  const counts = `${on.files} files, ${on.files} results, 0 lost, 0 duplicated, 2 killed, 1 server killed`;
  expect(lastLine(outcome)).toBe(`demo: ${counts}`);
  const ns = /namespace (demo-[0-9a-f]+)/.exec(outcome.stdout)?.[1] ?? '';
  await using bus = await connect(log, { ns });
  const killedProcesses = async (): Promise<string[]> => {
    const { gaps } = await readLog(bus.transport);
    const ended = gaps.filter(({ reason }) => reason === 'the process ended without closing');
    return [...new Set(ended.map(({ process }) => process))];
  };
  // A process that wrote a moment ago may have just begun: a reader says a little later that it is gone.
  await expect.poll(killedProcesses, { timeout: 10_000 }).toHaveLength(2);
  const killed = await killedProcesses();
  const { records } = await readLog(bus.transport);
  const tasks = trailsOf(records).filter(({ queue }) => queue === 'audits');
  expect(new Set(tasks.map(({ id }) => id)).size).toBe(on.files);
  // What a killed worker did in its last moment is in the gap; then the last record of the message is its own.
  const isExplained = ({ fate, records: trail }: Trail): boolean =>
    ['acked', 'gone'].includes(fate) || killed.includes(trail.at(-1)?.process ?? '');
  expect(tasks.filter((trail) => !isExplained(trail))).toEqual([]);
});

test.for(['redis', ...(process.env['BUSBAR_FULL'] === '1' ? ['nats'] : [])])(
  'the bus moves to %s, which the run starts, and two workers are killed',
  { timeout: LONG },
  async (target, { skip }) => {
    needServer(target === 'nats' ? 'nats-server' : 'redis-server', skip);
    await using on = await stage(60);
    const outcome = await run(on.dir, undefined, '--kill', '--migrate', target);
    expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
    const counts = `${on.files} files, ${on.files} results, 0 lost, 0 duplicated, 2 killed, moved to ${target}`;
    expect(lastLine(outcome)).toBe(`demo: ${counts}`);
    expect(outcome.stdout).toMatch(/^pause +[\d,]+ ms/m);
    expect(leftovers(on.dir)).toEqual([expect.stringMatching(/^busbar-report-/)]);
  },
);

test('without a server, one line says where none is', { timeout: LONG }, async () => {
  await using on = await stage(1);
  const outcome = await run(on.dir, 'redis://127.0.0.1:1');
  expect(outcome).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringMatching(/^demo: .*127\.0\.0\.1:1\b.*\n/),
  });
});
