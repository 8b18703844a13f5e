// `npm run mutants`: runs the mutants, prints a table or JSON, and fails if one survives.
import { parseArgs } from 'node:util';
import { clientMutants, type HarnessMutant, runHarnessMutant, transportMutants } from './harness-mutants.ts';
import type { MutantResult } from './mutant-result.ts';
import { runSourceMutants } from './source/run-source-mutants.ts';
import { sourceMutants } from './source/source-mutants.ts';

const USAGE = `npm run mutants -- [options]

  --json               the results as JSON
  --backend redis      mutants of these backends: memory, sqlite, redis, nats, hub, zmq, hybrid, migrate
  --only TEXT          mutants with this text in their name, or killed by the case of this id
  --parallel N         mutants at a time (2)
  --verbose            with the reason why each case failed
`;
const BACKENDS = ['memory', 'sqlite', 'redis', 'nats', 'hub', 'zmq', 'hybrid', 'migrate'];

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    backend: { type: 'string', default: BACKENDS.join() },
    only: { type: 'string', default: '' },
    parallel: { type: 'string', default: '2' },
    verbose: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const results: MutantResult[] = [];

if (values.help) process.stdout.write(USAGE);
else await main();
process.exit();

async function main(): Promise<void> {
  const began = performance.now();
  const parallel = Number(values.parallel);
  const backends = values.backend.split(',');
  const unknown = backends.filter((name) => !BACKENDS.includes(name));
  if (unknown.length > 0) fail(`--backend has the unknown ${unknown.join()}`);
  if (!Number.isInteger(parallel) || parallel < 1) fail('--parallel takes a number from 1');
  const inMemory = [...transportMutants, ...clientMutants].filter(isSelected);
  const own = sourceMutants.filter((mutant) => backends.includes(mutant.backend) && isSelected(mutant));
  if (backends.includes('memory')) await runInMemory(inMemory, parallel);
  await runSourceMutants(own, parallel, report);
  if (results.length === 0) fail('no mutant is selected');
  summarize(Math.round((performance.now() - began) / 1_000));
}

async function runInMemory(mutants: readonly HarnessMutant[], parallel: number): Promise<void> {
  const waiting = [...mutants];
  const worker = async (): Promise<void> => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift())
      report(await runHarnessMutant(mutant));
  };
  await Promise.all(Array.from({ length: 2 * parallel }, worker));
}

function isSelected({ name, killedBy }: { readonly name: string; readonly killedBy: string }): boolean {
  return name.includes(values.only) || values.only.split(',').includes(killedBy);
}

function report(result: MutantResult): void {
  results.push(result);
  if (values.json && result.killed) return;
  const state = result.notTested ? 'NOT TESTED' : result.killed ? 'killed' : 'SURVIVED';
  const line = [state.padEnd(10), result.backend.padEnd(7), result.case.padEnd(4), result.mutant].join(' ');
  const reason = result.notTested ?? (values.verbose || !result.killed ? result.reason : undefined);
  const output = values.json ? process.stderr : process.stdout;
  output.write(`${line}${reason === undefined ? '' : `\n           ${reason}`}\n`);
}

function summarize(seconds: number): void {
  const lacking = results.filter(({ notTested }) => notTested !== undefined);
  const tested = results.filter(({ notTested }) => notTested === undefined);
  const survivors = tested.filter(({ killed }) => !killed);
  if (survivors.length > 0 || (lacking.length > 0 && process.env['CI'])) process.exitCode = 1;
  if (values.json) {
    const fields = tested.map(({ mutant, backend, group, case: id, killed }) => ({
      ...{ mutant, backend, group, case: id, killed },
    }));
    process.stdout.write(`${JSON.stringify(fields, null, 2)}\n`);
    return;
  }
  const killed = tested.length - survivors.length;
  const missing = lacking.length > 0 ? `, ${lacking.length} not tested` : '';
  process.stdout.write(`mutants: ${killed} killed, ${survivors.length} survived${missing} in ${seconds} s\n`);
}

function fail(message: string): never {
  process.stderr.write(`mutants: ${message}\n\n${USAGE}`);
  process.exit(2);
}
