/** Measures a scenario on all targets. */

import type { Durability } from './durability.ts';
import { type Figure, find, merge } from './figures.ts';
import type { BenchOptions } from './options.ts';
import { Sandbox } from './sandbox/sandbox.ts';
import type { ScenarioName } from './scenarios/scenario-name.ts';
import { SCENARIOS } from './scenarios/scenarios.ts';
import { can } from './targets/targets.ts';

/** The figures of one target in one scenario. */
export interface Measurement {
  readonly scenario: ScenarioName;
  readonly durability: Durability;
  /** Undefined for a scenario without a target. */
  readonly target: string | undefined;
  readonly figures: readonly Figure[];
  /** Why figures are missing. */
  readonly failure?: string;
}

/** Identifies one figure among all measurements. */
export interface FigureKey {
  readonly scenario: ScenarioName;
  readonly target: string | undefined;
  readonly figure: string;
  readonly at?: string | undefined;
  /** Default: the first that was measured. */
  readonly durability?: Durability;
}

/** Measures every target by turns, several times, so that a slow minute of the machine affects all of them. */
export async function measure(
  scenario: ScenarioName,
  durability: Durability,
  options: BenchOptions,
): Promise<Measurement[]> {
  const { alone, steady } = SCENARIOS[scenario];
  const times = steady ? 1 : options.runs;
  const targets = alone ? [undefined] : options.targets.filter((target) => can(target, scenario, durability));
  const series = targets.map((target) => ({ target, figures: [] as (readonly Figure[])[], failure: '' }));
  for (let run = 1; run <= times; run += 1) {
    for (const one of series) {
      if (one.failure !== '') continue;
      showProgress(`${scenario} ${durability} ${run}/${times} ${one.target ?? ''}`);
      try {
        await using sandbox = await Sandbox.create(one.target, durability);
        one.figures.push(await SCENARIOS[scenario].run(sandbox, options));
      } catch (error) {
        const { message } = error as Error;
        // The first line, without paths of this clone.
        one.failure = (message.split('\n', 1)[0] ?? '').replaceAll(/file:\/\/\S*\//g, '');
        process.stderr.write(`${scenario} ${durability} ${one.target ?? ''}: ${message}\n`);
      }
    }
  }
  showProgress('');
  return series.map(({ target, figures, failure }) => ({
    ...{ scenario, durability, target },
    figures: merge(figures),
    ...(failure !== '' && { failure }),
  }));
}

/** Finds a figure; undefined if it was not measured. */
export function figureOf(measurements: readonly Measurement[], key: FigureKey): Figure | undefined {
  const measurement = measurements.find(
    ({ scenario, target, durability, figures }) =>
      scenario === key.scenario &&
      target === key.target &&
      durability === (key.durability ?? durability) &&
      figures.length > 0,
  );
  return measurement && find(measurement.figures, { name: key.figure, ...(key.at !== undefined && { at: key.at }) });
}

/** One line that the next one overwrites. */
function showProgress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`${text}\x1b[K\r`);
}
