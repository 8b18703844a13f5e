// Many messages through a command: what a message costs beside the start of its command, and a worker that is killed.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { waitFor } from '@busbar/testbed';
import type { Bus } from 'busbar';
import { expect, test } from 'vitest';
import { onEachBus } from './buses.ts';
import { bin } from './shell.ts';

const MESSAGES = 1_000;
/** What a message may cost beside the start of `true`. */
const MAX_COST_MS = 6;

async function fill(bus: Bus): Promise<void> {
  const bodies = Array.from({ length: MESSAGES }, (_, n) => ({ n }));
  await bus.enqueueAll('jobs', bodies, ({ n }) => ({ dedupeKey: String(n) }));
}

/** Starts `true` one after the other, as `work` does. */
const TRUE = `
  import { spawn } from 'node:child_process';
  import { once } from 'node:events';
  for (let n = 0; n < ${MESSAGES}; n += 1) await once(spawn('true', { stdio: ['ignore', 'pipe', 'pipe', 'pipe'] }), 'exit');
`;

/**
 * What a program and its children cost for each message, in milliseconds of processor time: other work on the machine makes
 * them slower, but hardly dearer.
 */
async function costOf(args: readonly string[], { cwd, env }: { cwd: string; env: object }): Promise<number> {
  const script = '"$@" && times';
  const { stdout } = await promisify(execFile)('sh', ['-c', script, 'sh', process.execPath, ...args], {
    cwd,
    env: { ...process.env, ...env },
  });
  // The second line is of the children: user and system time.
  const parts =
    stdout
      .trimEnd()
      .split('\n')
      .at(-1)
      ?.matchAll(/(\d+)m([\d.]+)s/g) ?? [];
  return (
    [...parts].reduce((sum, [, minutes, seconds]) => sum + Number(minutes) * 60_000 + Number(seconds) * 1_000, 0) /
    MESSAGES
  );
}

onEachBus((open) => {
  test('a message costs at most 6 ms beside its command', async () => {
    await using project = await open();
    await fill(project.bus);
    const place = { cwd: project.dir.path, env: { MESSAGE_BUS: project.url } };
    const start = await costOf(['--input-type=module', '-e', TRUE], place);
    const startedAt = performance.now();
    const each = await costOf([bin, 'work', 'jobs', '--until-empty', '-q', '--', 'true'], place);
    const wall = (performance.now() - startedAt) / MESSAGES;
    process.stdout.write(
      `work: ${(each - start).toFixed(2)} ms beside ${start.toFixed(2)} of true; ${wall.toFixed(2)} in all\n`,
    );
    expect(await project.bus.transport.admin.queues({ names: ['jobs'] })).toMatchObject([{ ready: 0, leased: 0 }]);
    expect(each - start, `${each} - ${start}`).toBeLessThan(MAX_COST_MS);
  }, 90_000);

  test('of two workers one is killed: nothing is lost, and only what it had not acked runs twice', async () => {
    await using project = await open();
    await fill(project.bus);
    const concurrency = 2;
    const script = 'echo "$BUSBAR_ID $BUSBAR_ATTEMPT" >> runs';
    const args = ['work', 'jobs', '--until-empty', '--concurrency', String(concurrency), '--', 'sh', '-c', script];
    const runs = (): string[] => {
      try {
        return readFileSync(project.dir.join('runs'), 'utf8').trimEnd().split('\n');
      } catch {
        return [];
      }
    };
    const killed = project.start({ args, timeoutMs: 60_000 });
    const other = project.start({ args, timeoutMs: 60_000 });
    await waitFor(() => runs().length > MESSAGES / 4, { what: 'a quarter of the runs', timeoutMs: 30_000 });
    killed.child.kill('SIGKILL');
    expect((await other.ended).code).toBe(0);
    const all = runs();
    expect(new Set(all).size, 'an attempt ran twice').toBe(all.length);
    expect(new Set(all.map((run) => run.split(' ')[0])).size).toBe(MESSAGES);
    // The runs under way, and those whose acks were under way.
    expect(all.filter((run) => !run.endsWith(' 1')).length).toBeLessThanOrEqual(2 * concurrency);
  }, 90_000);
});
