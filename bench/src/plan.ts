/** The plan of a run: every measurement, and about how long it takes. */

import type { Durability } from './durability.ts';
import type { BenchOptions } from './options.ts';
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
  /** About how long one run of one target takes on two cores. */
  readonly secondsEach: number;
}

/** The batches in the order in which they run. Targets whose server is missing are left out. */
export function makePlan(options: BenchOptions): Batch[] {
  const present = options.targets.filter((target) => missingServerOf(target) === undefined);
  return options.scenarios.flatMap((scenario) => {
    const { alone, once, seconds } = SCENARIOS[scenario];
    const durabilities = alone || once ? options.durabilities.slice(0, 1) : options.durabilities;
    return durabilities.map((durability, index) => ({
      ...{ scenario, durability, secondsEach: seconds(options) },
      targets: alone ? [undefined] : present.filter((target) => can(target, scenario, durability)),
      runs: runsOf(scenario, index, options.runs),
    }));
  });
}

/** All runs of the first durability, half of them at each other one; fewer where a scenario takes long. */
function runsOf(scenario: ScenarioName, index: number, runs: number): number {
  const { mostRuns = Number.POSITIVE_INFINITY } = SCENARIOS[scenario];
  return Math.min(mostRuns, index === 0 ? runs : Math.max(1, Math.floor(runs / 2)));
}

/** About how long the plan takes. */
export function secondsOf(plan: readonly Batch[]): number {
  return plan.reduce((sum, { targets, runs, secondsEach }) => sum + targets.length * runs * secondsEach, 0);
}
