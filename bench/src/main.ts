/** Entry of the benchmarks: asks each question of each subject, in turns, and reports. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { tempDir } from '@busbar/testbed';
import { type Figure, merge } from './figures.ts';
import { type BenchOptions, type Durability, parseOptions, USAGE, UsageError } from './options.ts';
import { type Answer, makeReport, renderHeader, renderSubjects, renderTable } from './report.ts';
import { SCENARIOS, type ScenarioName } from './scenarios.ts';
import type { SubjectName } from './subjects.ts';
import { writeDocs } from './write-docs.ts';

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  try {
    const options = parseOptions(argv);
    if (options === 'help') process.stdout.write(`${USAGE}\n`);
    else await measure(options);
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`bench: ${error.message}\n\n${USAGE}\n`);
    return 2;
  }
}

async function measure(options: BenchOptions): Promise<void> {
  const printed: string[] = [];
  const print = (text: string): void => {
    printed.push(text);
    process.stdout.write(`${text}\n\n`);
  };
  print(renderHeader(makeReport(options, [])));
  print(renderSubjects(options.subjects));
  const answers: Answer[] = [];
  for (const scenario of options.scenarios) {
    const durabilities = isAlone(scenario) ? options.durabilities.slice(0, 1) : options.durabilities;
    for (const durability of durabilities) {
      const some = await answer(scenario, durability, options);
      answers.push(...some);
      print(renderTable(scenario, durability, some));
    }
  }
  if (options.writeDocs) writeDocs(printed);
  if (options.json === undefined) return;
  mkdirSync(dirname(options.json), { recursive: true });
  writeFileSync(options.json, `${JSON.stringify(makeReport(options, answers), null, 2)}\n`);
}

/** Asks every subject in turn, several times over, so that a slow minute of the machine hits all alike. */
async function answer(scenario: ScenarioName, durability: Durability, options: BenchOptions): Promise<Answer[]> {
  const subjects: readonly SubjectName[] = isAlone(scenario) ? ['sqlite'] : options.subjects;
  const runs = new Map<SubjectName, (readonly Figure[])[]>(subjects.map((subject) => [subject, []]));
  for (let run = 0; run < options.runs; run += 1) {
    for (const subject of subjects) {
      process.stderr.write(`${scenario} ${durability} ${run + 1}/${options.runs} ${subject}\x1b[K\r`);
      const figures = await askOnce(scenario, subject, durability, options);
      if (figures !== undefined) runs.get(subject)?.push(figures);
    }
  }
  process.stderr.write('\x1b[K');
  return [...runs].map(([subject, figures]) => ({
    scenario,
    durability,
    subject: isAlone(scenario) ? undefined : subject,
    figures: figures.length === 0 ? undefined : merge(figures),
  }));
}

async function askOnce(
  name: ScenarioName,
  subject: SubjectName,
  durability: Durability,
  options: BenchOptions,
): Promise<readonly Figure[] | undefined> {
  await using folder = tempDir('busbar-bench');
  return await SCENARIOS[name].run(subject, { folder: folder.path, durability }, options);
}

function isAlone(name: ScenarioName): boolean {
  return SCENARIOS[name].alone === true;
}
