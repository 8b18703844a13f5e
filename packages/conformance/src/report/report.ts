/** The results of a run as plain JSON. */

import { type CaseResult, STATUSES, type Status } from '../case.ts';
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
