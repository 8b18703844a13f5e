// Many messages through a command: what a message costs beside the start of its command, and a worker that is killed.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { waitFor } from '@busbar/testbed';
import type { Bus } from 'busbar';
import { expect, test } from 'vitest';
import { onEachBus } from './buses.ts';

const MESSAGES = 1_000;
/** What a message may cost beside the start of `true`. */
const MAX_COST_MS = 6;

async function fill(bus: Bus): Promise<void> {
  const bodies = Array.from({ length: MESSAGES }, (_, n) => ({ n }));
  await bus.enqueueAll('jobs', bodies, ({ n }) => ({ dedupeKey: String(n) }));
}

/** The time that a start of `true` takes, started one after the other as `work` starts it. */
async function costOfTrue(times: number): Promise<number> {
  const startedAt = performance.now();
  for (let n = 0; n < times; n += 1) await once(spawn('true', { stdio: ['ignore', 'pipe', 'pipe', 'pipe'] }), 'exit');
  return (performance.now() - startedAt) / times;
}

onEachBus((open) => {
  test('a message costs at most 6 ms beside its command', async () => {
    await using project = await open();
    await fill(project.bus);
    const costs: number[] = [];
    const before = await costOfTrue(200);
    const startedAt = performance.now();
    const { code } = await project.use({
      args: ['work', 'jobs', '--until-empty', '-q', '--', 'true'],
      timeoutMs: 60_000,
    });
    const each = (performance.now() - startedAt) / MESSAGES;
    costs.push(before, each, await costOfTrue(200));
    expect(code).toBe(0);
    const beside = each - (costs[0]! + costs[2]!) / 2;
    process.stdout.write(`work: ${each.toFixed(2)} ms a message, ${beside.toFixed(2)} beside true\n`);
    expect(beside, costs.join(' ')).toBeLessThan(MAX_COST_MS);
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
