/** A summary for the terminal: counts by group and status, then all cases that did not pass. */

import { type CaseResult, GROUPS, type Status } from '../case.ts';
import type { SuiteRun } from '../run.ts';
import { countOf } from './report.ts';

const STATUSES: readonly Status[] = ['passed', 'failed', 'unsupported', 'not-applicable', 'not-tested'];

/** Formats the summary of `runs`. */
export function summarize(runs: readonly SuiteRun[]): string {
  return runs.map((run) => [...table(run), '', ...reasons(run)].join('\n')).join('\n\n');
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

function reasons({ results }: SuiteRun): string[] {
  const lines: string[] = [];
  for (const status of STATUSES.slice(1)) {
    const byReason = new Map<string, string[]>();
    for (const result of results.filter((candidate) => candidate.status === status)) {
      const reason = result.reason ?? '';
      byReason.set(reason, [...(byReason.get(reason) ?? []), result.id]);
    }
    for (const [reason, ids] of byReason) lines.push(`${status}: ${ids.join(', ')}: ${reason}`);
  }
  return lines;
}
