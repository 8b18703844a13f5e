/** The outcome of a run: the input of its report and its check. */

import type { MoveReport } from '@busbar/compose';
import type { Kill } from '../processes/kill-worker.ts';
import type { MergedResults } from './results-file.ts';
import type { RunStats } from './run-stats.ts';

/** A run that came to its end. */
export interface RunOutcome {
  readonly root: string;
  /** The bus, for the report. */
  readonly bus: string;
  readonly workers: number;
  /** From the first task to the last result. */
  readonly seconds: number;
  readonly stats: RunStats;
  readonly merged: MergedResults;
  readonly kills: readonly Kill[];
  /** How many workers the run was to kill. */
  readonly killsWanted: number;
  readonly serversKilled: number;
  /** True if the run was to kill the server. */
  readonly serverKillWanted: boolean;
  /** The stores between which the run was to move; undefined if it was to stay. */
  readonly moveWanted: { readonly from: string; readonly to: string } | undefined;
  /** The report of the move. */
  readonly moved: MoveReport | undefined;
  /** Dead letters. */
  readonly dead: readonly { readonly file: string; readonly reason: string }[];
}
