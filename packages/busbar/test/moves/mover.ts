// One move of a bus by the command, with kills of movers and agents in every step.
import { readFileSync } from 'node:fs';
import { type Child, spawnChild, waitFor } from '@busbar/testbed';
import { bin } from '../shell.ts';
import type { Crew } from './crew.ts';

const STEPS = ['copy', 'drain', 'transfer', 'verify', 'cutover'] as const;
/** After a kill in this step the move is rolled back. */
const ROLLED_BACK = 'transfer';
const STEP_MS = 300_000;
const SAMPLE_MS = 50;
const TRIES = 5;

/** One move from the first start until the target was open. */
export interface Move {
  readonly from: string;
  readonly to: string;
  /** What the command printed. */
  readonly report: MoveReport;
  readonly ms: number;
  /** The most memory of the mover. */
  readonly bytes: number;
}

interface MoveReport {
  readonly records: Readonly<Record<string, number>>;
  readonly ms: Readonly<Record<string, number>>;
  readonly pauseMs: number;
  readonly redelivered: { readonly count: number };
}

/** Moves the bus. In each step a mover and an agent are killed first. */
export async function move(from: string, to: string, crew: Crew, followed: () => Promise<void>): Promise<Move> {
  for (const step of STEPS) {
    process.stderr.write(`moves: a mover to ${to} and an agent are killed in ${step}\n`);
    await killIn(step, from, to, followed);
    await crew.killOne();
    if (step === ROLLED_BACK) await run('rollback', from, to);
  }
  process.stderr.write(`moves: to ${to}, without kills\n`);
  // A mover that was killed in the last step may have moved the bus.
  await untilDone(from, to);
  // Each follower has noticed a move before the next one begins.
  await followed();
  await untilDone(to, from);
  await followed();
  const measured = await untilDone(from, to);
  await followed();
  if (measured === undefined) throw new Error('a move that was not begun is done');
  return measured;
}

/** Moves the bus without kills. A mover that cannot renew its gate in time, since the machine is busy, is repeated. */
async function untilDone(from: string, to: string): Promise<Move | undefined> {
  for (let tries = 1; ; tries += 1) {
    const { code, stderr, ...done } = await runMover(from, to);
    if (code === 0) return done;
    if (await isDone(from, to)) return undefined;
    if (tries === TRIES) throw new Error(`the bus has not moved from ${from} to ${to}:\n${stderr}`);
  }
}

async function runMover(from: string, to: string): Promise<Move & { code: number | null; stderr: string }> {
  const begun = performance.now();
  await using mover = start('start', from, to, '--json');
  let bytes = 0;
  const sampling = setInterval(() => {
    bytes = Math.max(bytes, peakMemoryOf(mover.pid));
  }, SAMPLE_MS);
  const { code } = await mover.exited;
  clearInterval(sampling);
  const report = (code === 0 ? JSON.parse(mover.stdout) : {}) as MoveReport;
  return { from, to, report, ms: performance.now() - begun, bytes, code, stderr: mover.stderr };
}

/** Kills a mover in a step. One that ended before is repeated; one that was too fast has moved the bus, which moves back. */
async function killIn(step: string, from: string, to: string, followed: () => Promise<void>): Promise<void> {
  let output = '';
  for (let tries = 1; tries <= TRIES; tries += 1) {
    await using mover = start('start', from, to);
    const isIn = (): boolean => mover.stderr.includes(`busbar: ${step};`);
    const ended = mover.exited.then(() => true);
    const isEnded = await Promise.race([waitFor(isIn, { what: step, timeoutMs: STEP_MS }).then(() => false), ended]);
    await mover.kill('SIGKILL');
    if (!isEnded) return;
    output = mover.stderr;
    if (!(await isDone(from, to))) continue;
    await followed();
    await untilDone(to, from);
    await followed();
  }
  throw new Error(`no mover came to the step ${step}:\n${output}`);
}

async function isDone(from: string, to: string): Promise<boolean> {
  const [line = '{}'] = await run('status', from, to, '--json');
  return (JSON.parse(line) as { move?: string }).move === 'done';
}

function start(...args: string[]): Child {
  return spawnChild({ file: bin, args: ['migrate', ...args] });
}

async function run(...args: string[]): Promise<string[]> {
  await using child = start(...args);
  const { code } = await child.exited;
  if (code !== 0) throw new Error(`busbar migrate ${args.join(' ')} ended with ${code}:\n${child.stderr}`);
  return child.stdout.trimEnd().split('\n');
}

/** The most memory that a process had; 0 where the machine does not say it. */
function peakMemoryOf(pid: number): number {
  try {
    const [, kib = '0'] = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return Number(kib) * 1024;
  } catch {
    return 0;
  }
}
