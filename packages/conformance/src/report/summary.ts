/** A summary for the terminal: counts by group and status, then all cases that did not pass. */

import { type CaseResult, STATUSES } from '../case.ts';
import { GROUPS } from '../catalogue.ts';
import type { SuiteRun } from '../run.ts';
import { countOf, reasonsOf } from './report.ts';

/** Formats the summary of `runs`. */
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
