/** The results of a run as plain JSON, and as a summary for the terminal. */

import { type CaseResult, STATUSES, type Status } from '../case.ts';
import { GROUPS } from '../catalogue.ts';
import type { SuiteRun } from '../run.ts';

/** The results of a run for programs. */
export interface Report {
  readonly transport: string;
  readonly passed: number;
  readonly failed: number;
  readonly unsupported: number;
  readonly notApplicable: number;
  readonly notTested: number;
  readonly profile: string;
  readonly seed: number;
  readonly ms: number;
  readonly cases: readonly { readonly id: string; readonly status: Status; readonly reason?: string }[];
}

/** The report of a run. */
export function toReport({ transport, profile, seed, ms, results }: SuiteRun): Report {
  return {
    transport,
    passed: countOf(results, 'passed'),
    failed: countOf(results, 'failed'),
    unsupported: countOf(results, 'unsupported'),
    notApplicable: countOf(results, 'not-applicable'),
    notTested: countOf(results, 'not-tested'),
    profile,
    seed,
    ms,
    cases: results.map(({ id, status, reason }) => ({ id, status, ...(reason !== undefined && { reason }) })),
  };
}

/** Counts the results with this status. */
export function countOf(results: readonly CaseResult[], status: Status): number {
  return results.filter((result) => result.status === status).length;
}

/** The results that did not pass: the ids of each status and reason. */
export function reasonsOf(results: readonly CaseResult[]): { status: Status; reason: string; ids: string }[] {
  return STATUSES.slice(1).flatMap((status) => {
    const byReason = Map.groupBy(
      results.filter((result) => result.status === status),
      ({ reason = '' }) => reason,
    );
    return [...byReason].map(([reason, some]) => ({ status, reason, ids: some.map(({ id }) => id).join(', ') }));
  });
}

/** The summary of `runs`: counts by group and status, then all cases that did not pass. */
export function summarize(runs: readonly SuiteRun[]): string {
  return runs
    .map((run) =>
      [
        ...table(run),
        '',
        ...reasonsOf(run.results).map(({ status, reason, ids }) => `${status}: ${ids}: ${reason}`),
      ].join('\n'),
    )
    .join('\n\n');
}

function table({ transport, results, ms, seed }: SuiteRun): string[] {
  const groups = GROUPS.map((group) => results.filter((result) => result.group === group));
  const rows = groups.filter((group) => group.length > 0).map((group) => row(group[0]?.group ?? '', group));
  const head = ['', ...STATUSES]
    .map((text, index) => (index === 0 ? transport.padEnd(22) : text.padStart(15)))
    .join('');
  return [head, ...rows, row('all', results), `${(ms / 1_000).toFixed(1)} s, seed ${seed}`];
}

function row(name: string, results: readonly CaseResult[]): string {
  const cells = STATUSES.map((status) => (countOf(results, status) || '').toString().padStart(15));
  return `${name.padEnd(22)}${cells.join('')}`.trimEnd();
}
