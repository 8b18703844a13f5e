/** A scenario: what it measures, and how. */

import type { Figure } from '../figures.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';

/** The size of a run. */
export interface RunSize {
  /** Messages at the highest number in flight; others have fewer. */
  readonly messages: number;
  /** Numbers of calls in flight, each measured. */
  readonly inFlight: readonly number[];
  readonly bodyBytes: number;
  /** Numbers of idle members, each measured, in rising order. */
  readonly members: readonly number[];
  /** Numbers of mailboxes with waiting agents, each measured, in rising order. */
  readonly mailboxes: readonly number[];
  /** Messages that wait before they are handled. */
  readonly backlog: number;
  /** How long the scenario `sustained` runs. */
  readonly seconds: number;
  /** Shorter pauses and fewer conditions, for a first impression. */
  readonly short: boolean;
}

/** One scenario. */
export interface Scenario {
  readonly title: string;
  /** Runs once, without a target. */
  readonly alone?: true;
  /** Runs at the first durability only; the others do not change its figures. */
  readonly once?: true;
  /** So many runs are enough: it takes long, or repeats internally. */
  readonly mostRuns?: number;
  /** The report has one table per target. Its factors are relative to the first condition. */
  readonly scaling?: true;
  /** About how long one run takes on two cores, starts of processes included. */
  seconds(size: RunSize): number;
  /** Measures one target once. */
  run(sandbox: Sandbox, size: RunSize): Promise<readonly Figure[]>;
}
