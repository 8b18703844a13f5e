/** The plan of a run: every measurement, and about how long it takes. */

import type { Durability } from './durability.ts';
import type { BenchOptions } from './options.ts';
import { targetsOfBars } from './report/bars.ts';
import type { ScenarioName } from './scenarios/scenario-name.ts';
import { SCENARIOS } from './scenarios/scenarios.ts';
import { can, missingServerOf } from './targets/targets.ts';

/** Targets that take turns in one scenario. */
export interface Batch {
  readonly scenario: ScenarioName;
  readonly durability: Durability;
  /** Undefined for a scenario without a target. */
  readonly targets: readonly (string | undefined)[];
  readonly runs: number;
  /** Runs of the targets that have more than that, since a bar rests on them. */
  readonly more?: Readonly<Record<string, number>>;
  /** About how long one run of one target takes on two cores. */
  readonly secondsEach: number;
}

/** The batches in the order in which they run. Targets whose server is missing are left out. */
export function makePlan(options: BenchOptions): Batch[] {
  const present = options.targets.filter((target) => missingServerOf(target) === undefined);
  return options.scenarios.flatMap((scenario) => {
    const { alone, once, seconds } = SCENARIOS[scenario];
    const durabilities = alone || once ? options.durabilities.slice(0, 1) : options.durabilities;
    return durabilities.map((durability, index) => {
      const targets = alone ? [undefined] : present.filter((target) => can(target, scenario, durability));
      const runs = mostRunsOf(scenario, index, options.runs);
      const inBars = targetsOfBars(scenario, index === 0 ? undefined : durability);
      const more = runs < options.runs ? targets.filter((target) => target && inBars.has(target)) : [];
      return {
        ...{ scenario, durability, targets, runs, secondsEach: seconds(options) },
        ...(more.length > 0 && { more: Object.fromEntries(more.map((target) => [target, options.runs])) }),
      };
    });
  });
}

/** How often a target of the batch is measured. */
export function runsOf({ runs, more = {} }: Batch, target: string | undefined): number {
  return (target === undefined ? undefined : more[target]) ?? runs;
}

/** All runs of the first durability, half of them at each other one; fewer where a scenario takes long. */
function mostRunsOf(scenario: ScenarioName, index: number, runs: number): number {
  const { mostRuns = Number.POSITIVE_INFINITY } = SCENARIOS[scenario];
  return Math.min(mostRuns, index === 0 ? runs : Math.max(1, Math.floor(runs / 2)));
}

/** About how long the plan takes. */
export function secondsOf(plan: readonly Batch[]): number {
  const runs = (batch: Batch): number => batch.targets.reduce((sum, target) => sum + runsOf(batch, target), 0);
  return plan.reduce((sum, batch) => sum + runs(batch) * batch.secondsEach, 0);
}
