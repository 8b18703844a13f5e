/** Entry of the benchmarks: runs each scenario on each target and prints the figures. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type Measurement, measure } from './measurement.ts';
import { type BenchOptions, parseOptions, UsageError, usage } from './options.ts';
import { makeReport, renderHeader, renderTables, renderTargets, renderThresholds } from './report/report.ts';
import { writeDocs } from './report/write-docs.ts';
import { SCENARIOS } from './scenarios/scenarios.ts';
import { missingServerOf, TARGETS } from './targets/targets.ts';

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
  return measurements.every(({ failure }) => failure === undefined);
}

async function measureAll(options: BenchOptions, print: (text: string) => void): Promise<Measurement[]> {
  const here = { ...options, targets: options.targets.filter((target) => missingServerOf(target) === undefined) };
  const all: Measurement[] = [];
  for (const scenario of options.scenarios) {
    const { alone, once } = SCENARIOS[scenario];
    const durabilities = alone || once ? options.durabilities.slice(0, 1) : options.durabilities;
    for (const durability of durabilities) {
      const measurements = await measure(scenario, durability, here);
      all.push(...measurements);
      if (measurements.length > 0) print(renderTables(scenario, durability, measurements));
    }
  }
  return all;
}

/** Makes processes that start from now on write CPU profiles. */
function profileChildren(folder: string): void {
  process.env['NODE_OPTIONS'] = `${process.env['NODE_OPTIONS'] ?? ''} --cpu-prof --cpu-prof-dir=${folder}`;
}
