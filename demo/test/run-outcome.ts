/** Outcomes of runs that never took place, for tests of the report and the check. */

import type { Audit } from '../src/audit/audit.ts';
import type { AuditResult } from '../src/processes/process-event.ts';
import type { RunOutcome } from '../src/report/run-outcome.ts';
import { RunStats } from '../src/report/run-stats.ts';

/** An audit of a file with this many lines. */
export function audit(file: string, lines = 10): Audit {
  return { file, lines, bytes: lines * 30, sha256: `hash of ${lines}` };
}

/** The results of these audits, from two workers in turn. */
export function resultsOf(audits: readonly Audit[]): Map<string, AuditResult> {
  return new Map(
    audits.map((one, index) => {
      const id = `audits#${index}`;
      const grade = index % 2 === 0 ? 'A' : undefined;
      return [id, { id, worker: `@demo.worker-${(index % 2) + 1}`, audit: one, grade }];
    }),
  );
}

/** A run without faults over these audits, except for `changes`. */
export function outcome(audits: readonly Audit[], changes: Partial<RunOutcome> = {}): RunOutcome {
  const stats = new RunStats();
  stats.add({ kind: 'found', files: audits.length });
  stats.add({ kind: 'enqueued', event: 'started' });
  for (const [index] of audits.entries()) {
    stats.add({ kind: 'audited', id: `audits#${index}`, attempt: 1, event: `audited ${index}` });
  }
  stats.add({ kind: 'merged', attempts: audits.map(() => 1), waitedMs: 1, event: 'merged' });
  stats.add({ kind: 'received', events: stats.published, live: 0 });
  stats.add({ kind: 'replayed', events: stats.published });
  return {
    ...{ root: '/tree', bus: 'sqlite, temporary', workers: 2, seconds: 2, stats },
    ...{ merged: { results: resultsOf(audits), again: 0, stale: 0 }, kills: [], killsWanted: 0 },
    ...{ serversKilled: 0, serverKillWanted: false, dead: [] },
    ...{ moveWanted: undefined, moved: undefined },
    ...changes,
  };
}
