// Runs source mutants: the named case fails in a process with the mutant, and passes in one without.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { SUITE } from '@busbar/conformance';
import type { MutantResult } from '../mutant-result.ts';
import { mutate, type SourceBackend, type SourceMutant, VARIABLE } from './source-mutant.ts';

interface Outcome {
  readonly id: string;
  readonly status: string;
  readonly reason?: string;
}

/** The module with the harness of a backend, below `packages`. */
const HARNESSES: Readonly<Record<SourceBackend, string>> = {
  memory: 'transport-memory/test/harness.ts',
  sqlite: 'transport-sqlite/test/harness.ts',
  redis: 'transport-redis/test/harness.ts',
  nats: 'transport-nats/test/harness.ts',
  hub: 'transport-socket/test/harness.ts',
  zmq: 'transport-socket/test/support/zmq-harness.ts',
  hybrid: 'compose/test/hybrid/harness.ts',
  migrate: 'compose/test/refused-move-harness.ts',
};
const PROGRAM = fileURLToPath(new URL('./case-program.ts', import.meta.url));
const PRELOAD = new URL('./mutate-imports.ts', import.meta.url).href;
const CONDITION = '--conditions=@busbar/source';
/** Time for starting, opening and cleaning up, beside the time limit of each case. */
const BESIDE_MS = 60_000;
const OPEN_FAILED = 'the store did not open';

/** Runs the mutants, up to `parallel` at a time, and calls `onResult` with each result. */
export async function runSourceMutants(
  mutants: readonly SourceMutant[],
  parallel: number,
  onResult: (result: MutantResult) => void,
): Promise<void> {
  const intact = new Map<string, Promise<Outcome>>();
  for (const [backend, own] of Map.groupBy(mutants, (mutant) => mutant.backend)) {
    const ids = [...new Set(own.map(({ killedBy }) => killedBy))];
    const outcomes = runCases(backend, ids, undefined);
    for (const id of ids)
      intact.set(
        `${backend} ${id}`,
        outcomes.then((all) => outcomeOf(all, id)),
      );
    await outcomes;
  }
  const waiting = [...mutants];
  const worker = async (): Promise<void> => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const before = await intact.get(`${mutant.backend} ${mutant.killedBy}`);
      onResult(await runOne(mutant, before ?? missing(mutant.killedBy)));
    }
  };
  await Promise.all(Array.from({ length: parallel }, worker));
}

async function runOne(mutant: SourceMutant, intact: Outcome): Promise<MutantResult> {
  const { name, backend, killedBy } = mutant;
  const result = { mutant: name, backend, group: groupOf(killedBy), case: killedBy };
  if (intact.status === 'not-tested') return { ...result, killed: false, notTested: intact.reason ?? 'no reason' };
  if (intact.status !== 'passed') return { ...result, killed: false, reason: `without it: ${textOf(intact)}` };
  mutate(mutant);
  const outcome = outcomeOf(await runCases(backend, [killedBy], mutant), killedBy);
  const isOpen = !outcome.reason?.startsWith(OPEN_FAILED);
  return { ...result, killed: outcome.status === 'failed' && isOpen, reason: textOf(outcome) };
}

/** The outcomes of cases in a child process, with the mutant or without one. */
async function runCases(
  backend: SourceBackend,
  ids: readonly string[],
  mutant: SourceMutant | undefined,
): Promise<Outcome[]> {
  const harness = new URL(`../../../../${HARNESSES[backend]}`, import.meta.url).href;
  const { NODE_OPTIONS = '', ...inherited } = process.env;
  const options = `${NODE_OPTIONS.replace(CONDITION, '')} ${CONDITION} --import=${PRELOAD}`.trim();
  const child = spawn(process.execPath, [PROGRAM, harness, ...ids], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: { ...inherited, NODE_OPTIONS: options, ...(mutant && { [VARIABLE]: JSON.stringify(mutant) }) },
  });
  const outcomes: Outcome[] = [];
  let output = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (output = (output + text).slice(-2_000)));
  child.on('message', (outcome) => void outcomes.push(outcome as Outcome));
  // A child that hangs in its own code ends as one would in a test: by a time limit.
  const timer = setTimeout(() => child.kill('SIGKILL'), timeLimit(ids));
  const code = await new Promise((resolve) => child.on('close', resolve));
  clearTimeout(timer);
  if (outcomes.length < ids.length) {
    const id = ids[outcomes.length] ?? '';
    outcomes.push({ id, status: 'no result', reason: `the process ended with ${code}: ${output.trim()}` });
  }
  return outcomes;
}

function timeLimit(ids: readonly string[]): number {
  const limits = ids.map((id) => SUITE.find((one) => one.id === id)?.timeoutMs ?? 20_000);
  return limits.reduce((sum, limit) => sum + limit + BESIDE_MS, 0);
}

function outcomeOf(outcomes: readonly Outcome[], id: string): Outcome {
  return outcomes.find((outcome) => outcome.id === id) ?? missing(id);
}

function missing(id: string): Outcome {
  return { id, status: 'no result' };
}

function groupOf(id: string): string {
  return SUITE.find((one) => one.id === id)?.group ?? 'unknown';
}

function textOf({ id, status, reason }: Outcome): string {
  return reason === undefined ? `${id} ${status}` : `${id} ${status}: ${reason}`;
}
