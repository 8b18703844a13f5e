/** Outcomes of runs that never were, for tests of what is made of them. */

import type { Audit } from '../src/audit/audit.ts';
import type { AuditResult } from '../src/processes/process-event.ts';
import type { Outcome } from '../src/report/outcome.ts';
import { Tally } from '../src/report/run-stats.ts';

/** An audit of a file with so many lines, and as many of the rest. */
export function audit(file: string, lines = 10): Audit {
  const longestFunction = { name: 'run', line: 3, lines };
  return {
    ...{ status: 'audited' as const, file, lines, longestFunction },
    ...{ bytes: lines * 30, commentLines: Math.floor(lines / 4), todos: lines % 2, sha256: `hash of ${lines}` },
  };
}

/** The results of these audits, one worker after the other. */
export function resultsOf(audits: readonly Audit[]): Map<string, AuditResult> {
  return new Map(
    audits.map((one, index) => {
      const id = `audits#${index}`;
      const grade = index % 2 === 0 ? 'A' : undefined;
      return [id, { id, worker: `@demo.worker-${(index % 2) + 1}`, audit: one, grade }];
    }),
  );
}

/** A run in which all went well over these audits, as far as `changes` do not say otherwise. */
export function outcome(audits: readonly Audit[], changes: Partial<Outcome> = {}): Outcome {
  const tally = new Tally();
  tally.add({ kind: 'found', files: audits.length, problems: [] });
  tally.add({ kind: 'enqueued', event: 'started' });
  for (const [index] of audits.entries()) {
    tally.add({ kind: 'audited', id: `audits#${index}`, attempt: 1, event: `audited ${index}` });
  }
  tally.add({ kind: 'merged', attempts: audits.map(() => 1), lock: { waited: false, waitedMs: 1 }, event: 'merged' });
  tally.add({ kind: 'received', events: tally.published });
  tally.add({ kind: 'replayed', events: tally.published });
  return {
    ...{ root: '/tree', place: 'sqlite, to throw away', workers: 2, seconds: 2, tally },
    ...{ merged: { results: resultsOf(audits), again: 0, stale: 0 }, kills: [], killsWanted: 0 },
    ...{ serversKilled: 0, serverKillWanted: false, dead: [] },
    ...changes,
  };
}
