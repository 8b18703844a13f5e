// `npm run chaos`: rounds of random faults, which a state file lets continue after an interruption.
import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { seedFor } from '../../src/context/random.ts';
import { confinedCommand, diskLimitsMissing } from '../../src/processes/confinement.ts';
import { BACKENDS, loadHarness } from './backends.ts';
import type { RoundSetting, Verdict } from './round.ts';

const USAGE = `npm run chaos -- [options]

  --transports A,B     the backends, one round each in turn (${BACKENDS.join(',')})
  --minutes N          begins no round after this time (10)
  --rounds N           ends after this many rounds
  --seed N             the seed of the first round; \`--seed N --rounds 1\` repeats a round
  --state FILE         adds a line of JSON per round, and continues after the rounds in it;
                       FILE.SEED has what happened in a round that failed
  --verbose            each fault as it begins
`;
const DISK_BYTES = 64 * 1_048_576;
/** A round that takes longer has failed. */
const ROUND_MS = 420_000;

interface Line extends Verdict {
  readonly round: number;
  readonly verdict: 'passed' | 'failed';
}

const { values } = parseArgs({
  options: {
    transports: { type: 'string', default: BACKENDS.join() },
    minutes: { type: 'string', default: '10' },
    rounds: { type: 'string', default: 'Infinity' },
    seed: { type: 'string' },
    state: { type: 'string' },
    verbose: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
let interrupted = false;

if (values.help) process.stdout.write(USAGE);
else await main();

async function main(): Promise<void> {
  const backends = await testableAmong(values.transports.split(','));
  const [minutes, rounds] = [toNumber('minutes', values.minutes), toNumber('rounds', values.rounds)];
  const lines = readState(values.state);
  const last = lines.at(-1);
  const first = last === undefined ? Math.floor(Math.random() * 4_294_967_296) : seedFor(last.seed, 'next');
  let seed = values.seed === undefined ? first : toNumber('seed', values.seed);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => (interrupted = true));
  const deadline = performance.now() + minutes * 60_000;
  for (let done = 0; done < rounds && performance.now() < deadline && !interrupted; done += 1) {
    const round = lines.length + 1;
    const backend = backends[(round - 1) % backends.length] ?? '';
    say(`round ${round}: ${backend}, seed ${seed}`);
    const log = values.state === undefined ? {} : { log: resolve(`${values.state}.${seed}`) };
    const verdict = await runConfined({ backend, seed, ...log });
    if (interrupted) break;
    const line: Line = { round, ...verdict, verdict: verdict.problems.length === 0 ? 'passed' : 'failed' };
    lines.push(line);
    if (values.state !== undefined) appendFileSync(values.state, `${JSON.stringify(line)}\n`);
    tell(line);
    seed = seedFor(seed, 'next');
  }
  summarize(lines);
}

/** Runs a round in a process of its own, with the store on a small disk where this machine allows that. */
async function runConfined(setting: RoundSetting): Promise<Verdict> {
  const began = performance.now();
  const folder = mkdtempSync(join(tmpdir(), 'busbar-chaos-'));
  const canFill = diskLimitsMissing() === undefined && setting.backend !== 'memory';
  const argument: RoundSetting = canFill ? { ...setting, disk: folder } : setting;
  const program = fileURLToPath(new URL('./round-program.ts', import.meta.url));
  const node = [process.execPath, '--conditions=@busbar/source', program, JSON.stringify(argument)];
  const [file = '', ...args] = confinedCommand(canFill ? { disk: { folder, bytes: DISK_BYTES } } : {}, node);
  const child = spawn(file, args, { env: { ...process.env, TMPDIR: folder }, stdio: ['pipe', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.stderr = (output.stderr + text).slice(-4_000);
    if (values.verbose) process.stderr.write(text);
  });
  const late = setTimeout(() => child.kill(), ROUND_MS);
  const interruption = setInterval(() => interrupted && child.kill(), 200);
  const code = await new Promise<string>((resolve) => child.once('close', (...how) => resolve(how.join(' ').trim())));
  clearTimeout(late);
  clearInterval(interruption);
  rmSync(folder, { recursive: true, force: true });
  const result = output.stdout.trim().split('\n').at(-1) ?? '';
  if (result.startsWith('{')) return JSON.parse(result) as Verdict;
  const seconds = Math.round((performance.now() - began) / 1_000);
  const problems = [`the round ended with ${code} and without a verdict: ${output.stderr}`];
  return { ...setting, seconds, faults: [], stored: 0, got: 0, problems };
}

async function testableAmong(backends: readonly string[]): Promise<string[]> {
  const unknown = backends.filter((name) => !BACKENDS.includes(name));
  if (unknown.length > 0) fail(`--transports has the unknown ${unknown.join()}`);
  const noDisk = diskLimitsMissing();
  if (noDisk !== undefined) say(`NOT TESTED: full disks: ${noDisk}`);
  say('NOT TESTED: the clock of servers. Clients get a wrong Date instead.');
  const testable: string[] = [];
  for (const backend of backends) {
    const { notTested } = await loadHarness(backend);
    if (notTested === undefined) testable.push(backend);
    else say(`NOT TESTED: ${backend}: ${notTested}`);
  }
  if (testable.length === 0) fail('no backend can be tested here');
  return testable;
}

function readState(file: string | undefined): Line[] {
  if (file === undefined || !existsSync(file)) return [];
  const text = readFileSync(file, 'utf8').trim();
  return text === '' ? [] : text.split('\n').map((line) => JSON.parse(line) as Line);
}

function tell({ backend, seed, seconds, stored, got, faults, verdict, problems }: Line): void {
  say(`  ${verdict} in ${seconds} s: ${faults.length} faults, ${stored} stored, ${got} deliveries`);
  if (problems.length === 0) return;
  process.exitCode = 1;
  for (const problem of problems.slice(0, 20)) say(`  ${problem}`);
  say(`  again: npm run chaos -- --transports ${backend} --seed ${seed} --rounds 1 --verbose`);
}

/** Minutes, rounds and failures of each backend, with those of the state file. */
function summarize(lines: readonly Line[]): void {
  for (const [backend, own] of Map.groupBy(lines, (line) => line.backend)) {
    const minutes = own.reduce((sum, { seconds }) => sum + seconds, 0) / 60;
    const failed = own.filter(({ verdict }) => verdict === 'failed').map(({ seed }) => seed);
    const failures = failed.length === 0 ? '0 failed' : `${failed.length} failed: seeds ${failed.join(', ')}`;
    process.stdout.write(`${backend}: ${minutes.toFixed(1)} minutes, ${own.length} rounds, ${failures}\n`);
  }
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

function toNumber(name: string, text: string): number {
  const value = Number(text);
  if (Number.isNaN(value) || value < 0) fail(`--${name} takes a number, not ${text}`);
  return value;
}

function fail(message: string): never {
  process.stderr.write(`chaos: ${message}\n\n${USAGE}`);
  process.exit(2);
}
