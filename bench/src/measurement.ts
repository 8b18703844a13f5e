/** Measures a scenario on all targets. */

import type { Durability } from './durability.ts';
import { type Figure, find, merge } from './figures.ts';
import type { BenchOptions } from './options.ts';
import { type Batch, runsOf } from './plan.ts';
import type { Progress } from './progress.ts';
import { Sandbox } from './sandbox/sandbox.ts';
import type { ScenarioName } from './scenarios/scenario-name.ts';
import { SCENARIOS } from './scenarios/scenarios.ts';
import { addTallies, faultOf, type Tally } from './tally.ts';
import { TARGETS } from './targets/targets.ts';

/** One run of one target in one scenario. */
export interface RunRecord extends Tally {
  readonly seconds: number;
  /** CPU time of all processes, the server included; null where the system does not report it. */
  readonly cpuSeconds: number;
}

/** The figures of one target in one scenario. */
export interface Measurement {
  readonly scenario: ScenarioName;
  readonly durability: Durability;
  /** Undefined for a scenario without a target. */
  readonly target: string | undefined;
  readonly figures: readonly Figure[];
  readonly runs: readonly RunRecord[];
  /** Why figures are missing. */
  readonly failure?: string;
  /** The time limit came first. */
  readonly skipped?: true;
}

/** Identifies one figure among all measurements. */
export interface FigureKey {
  readonly scenario: ScenarioName;
  readonly target: string | undefined;
  readonly figure: string;
  readonly at?: string | undefined;
  /** Default: the first at which the scenario was measured, so that ratios are of the same durability. */
  readonly durability?: Durability | undefined;
}

/** The runs of one target so far. */
interface Series {
  readonly target: string | undefined;
  readonly figures: (readonly Figure[])[];
  readonly runs: RunRecord[];
  failure?: string;
  skipped?: true;
}

/** Measures every target by turns, several times, so that a slow minute of the machine affects all of them. */
export async function measure(batch: Batch, options: BenchOptions, progress: Progress): Promise<Measurement[]> {
  const { scenario, durability, secondsEach } = batch;
  const series = batch.targets.map((target): Series => ({ target, figures: [], runs: [] }));
  const runs = Math.max(...batch.targets.map((target) => runsOf(batch, target)));
  for (let run = 1; run <= runs; run += 1) {
    for (const one of series.filter(({ target }) => run <= runsOf(batch, target))) {
      const isMeasured = one.failure === undefined && isInTime(one, progress, secondsEach);
      progress.show(`${scenario} ${durability} ${run}/${runs} ${one.target ?? ''}`);
      if (isMeasured) await measureOnce(one, batch, options);
      progress.done(secondsEach, isMeasured);
    }
  }
  progress.end();
  return series.map(({ figures, ...rest }) => ({ scenario, durability, figures: merge(figures), ...rest }));
}

function isInTime(one: Series, progress: Progress, seconds: number): boolean {
  if (progress.hasTimeFor(seconds)) return true;
  if (one.runs.length === 0) one.skipped = true;
  return false;
}

/** Adds one run. A run that fails, loses or doubles has no figures. */
async function measureOnce(one: Series, { scenario, durability }: Batch, options: BenchOptions): Promise<void> {
  const began = performance.now();
  try {
    await using sandbox = await Sandbox.create(one.target, durability);
    const figures = await SCENARIOS[scenario].run(sandbox, options);
    const tally = await sandbox.tally();
    const cpuSeconds = (await sandbox.cpuMs()) / 1000;
    one.runs.push({ ...tally, seconds: (performance.now() - began) / 1000, cpuSeconds });
    const fault = faultOf(tally);
    if (fault !== undefined) throw new Error(fault);
    one.figures.push(figures);
  } catch (error) {
    const { message } = error as Error;
    // The first line, without paths of this clone.
    one.failure = (message.split('\n', 1)[0] ?? '').replaceAll(/file:\/\/\S*\//g, '');
    process.stderr.write(`${scenario} ${durability} ${one.target ?? ''}: ${message}\n`);
  }
}

/** True unless Busbar failed. A peer that fails is a row of the report, not a failure of the run. */
export function succeeded(measurements: readonly Measurement[]): boolean {
  const isPeer = (target: string | undefined): boolean => target !== undefined && TARGETS[target]?.busbar !== true;
  return measurements.every(({ target, failure }) => failure === undefined || isPeer(target));
}

/** The account of all runs. */
export function tallyOf(measurements: readonly Measurement[]): Tally & { readonly runs: number } {
  const all = measurements.flatMap(({ runs }) => runs);
  return { ...addTallies(all), runs: all.length };
}

/** Finds a figure; undefined if it was not measured. */
export function figureOf(measurements: readonly Measurement[], key: FigureKey): Figure | undefined {
  const ofScenario = measurements.filter(({ scenario }) => scenario === key.scenario);
  const wanted = key.durability ?? ofScenario[0]?.durability;
  const measurement = ofScenario.find(({ target, durability }) => target === key.target && durability === wanted);
  return measurement && find(measurement.figures, { name: key.figure, ...(key.at !== undefined && { at: key.at }) });
}
