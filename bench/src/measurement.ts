/** What a subject answered to a question. */

import { type Figure, find, merge } from './figures.ts';
import type { BenchOptions, Durability } from './options.ts';
import { Setting } from './sandbox/sandbox.ts';
import { SCENARIOS, type ScenarioName } from './scenarios/scenarios.ts';
import { can } from './targets/targets.ts';

/** The answer of one subject to one question. */
export interface Answer {
  readonly scenario: ScenarioName;
  readonly durability: Durability;
  /** Undefined for a question that brings its own. */
  readonly subject: string | undefined;
  readonly figures: readonly Figure[];
  /** Why figures are missing. */
  readonly failure?: string;
}

/** Names one figure among all answers. */
export interface FigureName {
  readonly scenario: ScenarioName;
  readonly subject: string | undefined;
  readonly figure: string;
  readonly at?: string;
  /** Default: the first that was measured. */
  readonly durability?: Durability;
}

/** Asks every subject in turn, several times over, so that a slow minute of the machine hits all alike. */
export async function ask(scenario: ScenarioName, durability: Durability, options: BenchOptions): Promise<Answer[]> {
  const { alone, steady } = SCENARIOS[scenario];
  const times = steady ? 1 : options.runs;
  const subjects = alone ? [undefined] : options.subjects.filter((subject) => can(subject, scenario, durability));
  const runs = subjects.map((subject) => ({ subject, figures: [] as (readonly Figure[])[], failure: '' }));
  for (let run = 1; run <= times; run += 1) {
    for (const one of runs) {
      if (one.failure !== '') continue;
      showProgress(`${scenario} ${durability} ${run}/${times} ${one.subject ?? ''}`);
      try {
        await using setting = await Setting.prepare(one.subject, durability);
        one.figures.push(await SCENARIOS[scenario].run(setting, options));
      } catch (error) {
        const { message } = error as Error;
        // The first line, without where this clone is.
        one.failure = (message.split('\n', 1)[0] ?? '').replaceAll(/file:\/\/\S*\//g, '');
        process.stderr.write(`${scenario} ${durability} ${one.subject ?? ''}: ${message}\n`);
      }
    }
  }
  showProgress('');
  return runs.map(({ subject, figures, failure }) => ({
    scenario,
    durability,
    subject,
    figures: merge(figures),
    ...(failure !== '' && { failure }),
  }));
}

/** Finds a figure; undefined where it was not measured. */
export function figureOf(answers: readonly Answer[], name: FigureName): Figure | undefined {
  const answer = answers.find(
    ({ scenario, subject, durability, figures }) =>
      scenario === name.scenario &&
      subject === name.subject &&
      durability === (name.durability ?? durability) &&
      figures.length > 0,
  );
  return answer && find(answer.figures, { name: name.figure, ...(name.at !== undefined && { at: name.at }) });
}

/** One line that the next one overwrites. */
function showProgress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`${text}\x1b[K\r`);
}
