/** Entry of the benchmarks: asks each question of each subject and reports. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type Answer, ask } from './measurement.ts';
import { type BenchOptions, parseOptions, USAGE, UsageError } from './options.ts';
import { makeReport, renderBars, renderHeader, renderSubjects, renderTables } from './report/report.ts';
import { writeDocs } from './report/write-docs.ts';
import { SCENARIOS } from './scenarios/scenarios.ts';
import { missing } from './targets/targets.ts';

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  try {
    const options = parseOptions(argv);
    if (options === 'help') {
      process.stdout.write(`${USAGE}\n`);
      return 0;
    }
    return (await measure(options)) ? 0 : 1;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`bench: ${error.message}\n\n${USAGE}\n`);
    return 2;
  }
}

/** Whether every subject that is here could be measured. */
async function measure(options: BenchOptions): Promise<boolean> {
  const printed: string[] = [];
  const print = (text: string): void => {
    printed.push(text);
    process.stdout.write(`${text}\n\n`);
  };
  print(renderHeader(makeReport(options, [])));
  print(renderSubjects(options.subjects));
  if (options.profile !== undefined) profileChildren(resolve(options.profile));
  const answers = await askAll(options, print);
  const bars = renderBars(answers);
  if (bars !== undefined) print(bars);
  if (options.writeDocs) writeDocs(printed);
  if (options.json !== undefined) {
    mkdirSync(dirname(options.json), { recursive: true });
    writeFileSync(options.json, `${JSON.stringify(makeReport(options, answers), null, 2)}\n`);
  }
  return answers.every(({ failure }) => failure === undefined);
}

async function askAll(options: BenchOptions, print: (text: string) => void): Promise<Answer[]> {
  const here = { ...options, subjects: options.subjects.filter((subject) => missing(subject) === undefined) };
  const answers: Answer[] = [];
  for (const scenario of options.scenarios) {
    const { alone, once } = SCENARIOS[scenario];
    const durabilities = alone || once ? options.durabilities.slice(0, 1) : options.durabilities;
    for (const durability of durabilities) {
      const some = await ask(scenario, durability, here);
      answers.push(...some);
      if (some.length > 0) print(renderTables(scenario, durability, some));
    }
  }
  return answers;
}

/** All processes that are started from now on. */
function profileChildren(folder: string): void {
  process.env['NODE_OPTIONS'] = `${process.env['NODE_OPTIONS'] ?? ''} --cpu-prof --cpu-prof-dir=${folder}`;
}
