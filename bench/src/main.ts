/** Entry of the benchmarks: runs each scenario on each target and prints the figures. */

import { mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type Measurement, measure, succeeded } from './measurement.ts';
import { type BenchOptions, parseOptions, UsageError, usage } from './options.ts';
import { makePlan, secondsOf } from './plan.ts';
import { clock, Progress } from './progress.ts';
import { loadReports } from './report/load.ts';
import {
  makeReport,
  type Report,
  renderAccount,
  renderHeader,
  renderReport,
  renderTables,
  renderTargets,
  renderThresholds,
} from './report/report.ts';
import { writeDocs, writeJson, writeResult } from './report/write-docs.ts';
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

/** Resolves to true if every target of Busbar whose server is here was measured. */
async function run(options: BenchOptions): Promise<boolean> {
  const report = options.from === undefined ? await measureReport(options) : readReport(options.from);
  if (options.from !== undefined) saveReport(options, report);
  if (options.writeDocs) writeDocs(report);
  return succeeded(report.measurements);
}

async function measureReport(options: BenchOptions): Promise<Report> {
  print(renderHeader(makeReport(options, [])));
  print(renderTargets(options.targets));
  if (options.profile !== undefined) profileChildren(resolve(options.profile));
  const measurements = await measureAll(options);
  const thresholds = renderThresholds(measurements);
  if (thresholds !== undefined) print(thresholds);
  print(renderAccount(measurements));
  return makeReport(options, measurements);
}

/** Writes the JSON; after each batch, so that a run that is ended early is not lost. */
function saveReport({ json, from, writeDocs }: BenchOptions, report: Report): void {
  if (json !== undefined) {
    mkdirSync(dirname(json), { recursive: true });
    writeJson(json, report);
  }
  if (writeDocs && from === undefined) writeResult(report);
}

/** Prints earlier reports as one. */
function readReport(files: readonly string[]): Report {
  const report = loadReports(files);
  for (const text of [renderHeader(report), ...renderReport(report), renderAccount(report.measurements)]) print(text);
  return report;
}

function print(text: string): void {
  process.stdout.write(`${text}\n\n`);
}

async function measureAll(options: BenchOptions): Promise<Measurement[]> {
  const plan = makePlan(options);
  const progress = new Progress(secondsOf(plan), options.minutes * 60);
  print(`About ${clock(secondsOf(plan))} minutes on two quiet cores; the limit is ${options.minutes} minutes`);
  const all: Measurement[] = [];
  for (const batch of plan) {
    const measurements = await measure(batch, options, progress);
    all.push(...measurements);
    if (measurements.length > 0) print(renderTables(batch.scenario, batch.durability, measurements));
    saveReport(options, makeReport(options, all));
  }
  return all;
}

/** Makes processes that start from now on write CPU profiles. */
function profileChildren(folder: string): void {
  process.env['NODE_OPTIONS'] = `${process.env['NODE_OPTIONS'] ?? ''} --cpu-prof --cpu-prof-dir=${folder}`;
}
