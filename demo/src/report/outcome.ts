/** A run that came to its end, as verdict and report see it. */

import type { Kill } from '../processes/kill-worker.ts';
import type { Problem } from '../processes/process-event.ts';
import type { Merged } from './results-file.ts';
import type { Tally } from './run-stats.ts';

/** A run that came to its end. */
export interface Outcome {
  readonly root: string;
  /** What bus it took place on. */
  readonly place: string;
  readonly workers: number;
  /** From the first task to the last result. */
  readonly seconds: number;
  readonly tally: Tally;
  readonly merged: Merged;
  readonly kills: readonly Kill[];
  /** How many workers were to be killed. */
  readonly killsWanted: number;
  readonly serversKilled: number;
  /** Whether the server was to be killed. */
  readonly serverKillWanted: boolean;
  /** Tasks that were given up, and why. */
  readonly dead: readonly Problem[];
}
