/** Entry of the benchmarks: runs each scenario on each target and prints the figures. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type Measurement, measure, tallyOf } from './measurement.ts';
import { type BenchOptions, parseOptions, UsageError, usage } from './options.ts';
import { makePlan, secondsOf } from './plan.ts';
import { clock, Progress } from './progress.ts';
import { makeReport, renderHeader, renderTables, renderTargets, renderThresholds } from './report/report.ts';
import { writeDocs } from './report/write-docs.ts';
import { TARGETS } from './targets/targets.ts';

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  const names = Object.keys(TARGETS);
  try {
    const options = parseOptions(argv, names);
    if (options === 'help') {
      process.stdout.write(`${usage(names)}\n`);
      return 0;
    }
    return (await run(options)) ? 0 : 1;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`bench: ${error.message}\n\n${usage(names)}\n`);
    return 2;
  }
}

/** Resolves to true if every target whose server is here was measured. */
async function run(options: BenchOptions): Promise<boolean> {
  const printed: string[] = [];
  const print = (text: string): void => {
    printed.push(text);
    process.stdout.write(`${text}\n\n`);
  };
  print(renderHeader(makeReport(options, [])));
  print(renderTargets(options.targets));
  if (options.profile !== undefined) profileChildren(resolve(options.profile));
  const measurements = await measureAll(options, print);
  const thresholds = renderThresholds(measurements);
  if (thresholds !== undefined) print(thresholds);
  if (options.writeDocs !== undefined) writeDocs(options.writeDocs, printed);
  if (options.json !== undefined) {
    mkdirSync(dirname(options.json), { recursive: true });
    writeFileSync(options.json, `${JSON.stringify(makeReport(options, measurements), null, 2)}\n`);
  }
  print(renderAccount(measurements));
  return measurements.every(({ target, failure }) => failure === undefined || isPeer(target));
}

/** A peer that fails is a row of the report, not a failure of the run. */
function isPeer(target: string | undefined): boolean {
  return target !== undefined && TARGETS[target]?.busbar !== true;
}

async function measureAll(options: BenchOptions, print: (text: string) => void): Promise<Measurement[]> {
  const plan = makePlan(options);
  const progress = new Progress(secondsOf(plan), options.minutes * 60);
  print(`About ${clock(secondsOf(plan))} minutes on two quiet cores; the limit is ${options.minutes} minutes`);
  const all: Measurement[] = [];
  for (const batch of plan) {
    const measurements = await measure(batch, options, progress);
    all.push(...measurements);
    if (measurements.length > 0) print(renderTables(batch.scenario, batch.durability, measurements));
  }
  return all;
}

/** What was lost or doubled, and what there was no time for. */
function renderAccount(measurements: readonly Measurement[]): string {
  const { runs, expected, lost, doubled, reordered } = tallyOf(measurements);
  const counted = `${runs} runs, ${expected} deliveries: ${lost} lost, ${doubled} doubled, ${reordered} reordered`;
  const skipped = measurements
    .filter((one) => one.skipped)
    .map(({ scenario, target }) => `${scenario} ${target ?? ''}`);
  return skipped.length === 0 ? counted : `${counted}\nNo time was left for ${skipped.join(', ')}`;
}

/** Makes processes that start from now on write CPU profiles. */
function profileChildren(folder: string): void {
  process.env['NODE_OPTIONS'] = `${process.env['NODE_OPTIONS'] ?? ''} --cpu-prof --cpu-prof-dir=${folder}`;
}
