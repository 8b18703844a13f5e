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
  /** Mailboxes of the scenario of that name. */
  readonly mailboxes: number;
  /** How long the scenario `sustained` runs. */
  readonly seconds: number;
}

/** One scenario. */
export interface Scenario {
  readonly title: string;
  /** Runs once, without a target. */
  readonly alone?: true;
  /** Runs at the first durability only; the others do not change its figures. */
  readonly once?: true;
  /** One run is enough: it takes long, or repeats internally. */
  readonly steady?: true;
  /** The report has one table per target. Its factors are relative to the first condition. */
  readonly scaling?: true;
  /** Measures one target once. */
  run(sandbox: Sandbox, size: RunSize): Promise<readonly Figure[]>;
}
