/** The matrix of declared and observed behaviour as Markdown. */

import type { Feature } from '@busbar/api/transport';
import { type CaseResult, type ConformanceCase, STATUSES, type Status } from '../case.ts';
import { GROUPS } from '../catalogue.ts';
import type { SuiteRun } from '../run.ts';
import { SUITE } from '../suite.ts';
import { countOf, reasonsOf } from './report.ts';

const BEGIN = '<!-- matrix:begin -->';
const END = '<!-- matrix:end -->';

const MARKS: Readonly<Record<Status, string>> = {
  passed: '✓',
  failed: '✗',
  unsupported: '–',
  'not-applicable': 'n/a',
  'not-tested': '?',
};

/** Returns `text` with the matrix of `runs` between its markers. Throws if the markers are missing. */
export function withMatrix(text: string, runs: readonly SuiteRun[]): string {
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`the markers ${BEGIN} and ${END} are missing`);
  return `${text.slice(0, begin + BEGIN.length)}\n${toMarkdown(runs)}${text.slice(end)}`;
}

/** The matrix of `runs`, one column each. */
export function toMarkdown(runs: readonly SuiteRun[]): string {
  const parts = [
    ['### Declared', declared(runs)],
    ['### Groups', 'Passed cases of the applicable ones.', groups(runs)],
    ['### Cases', legend(), cases(runs)],
    ['### Why not', ...runs.map(reasons)],
  ];
  return `${parts.flat().join('\n\n')}\n`;
}

function declared(runs: readonly SuiteRun[]): string {
  const features = Object.keys(runs[0]?.capabilities.features ?? {}) as Feature[];
  const rows = [
    row('durability', runs, ({ capabilities }) => capabilities.durability),
    row('reach', runs, ({ capabilities }) => capabilities.reach),
    row('priority levels', runs, ({ capabilities }) => String(capabilities.priorityLevels)),
    row('granularity', runs, ({ capabilities }) => `${capabilities.granularityMs} ms`),
    row('largest body', runs, ({ capabilities }) => `${capabilities.maxBodyBytes} bytes`),
    ...features.map((feature) => row(`\`${feature}\``, runs, (run) => observed(run, feature))),
  ];
  return [...head('declared', runs), ...rows].join('\n');
}

/** The declaration of a feature and the cases that observed it. */
function observed({ capabilities, results }: SuiteRun, feature: Feature): string {
  const about = new Set(
    SUITE.filter(({ needs = [], shows = [] }) => [...needs, ...shows].includes(feature)).map(({ id }) => id),
  );
  const seen = results.filter(({ id, status }) => about.has(id) && (status === 'passed' || status === 'unsupported'));
  const ids = seen.length > 4 ? `${seen.length} cases` : seen.map(({ id }) => id).join(', ');
  const shown = ids === '' ? 'not observed' : `${capabilities.features[feature] ? 'works' : 'refused'}: ${ids}`;
  return `${capabilities.features[feature] ? 'yes' : 'no'} (${shown})`;
}

function groups(runs: readonly SuiteRun[]): string {
  const rows = GROUPS.map((group) =>
    row(group, runs, ({ results }) => tally(results.filter((result) => result.group === group))),
  );
  const totals = STATUSES.map((status) =>
    row(`all: ${status}`, runs, ({ results }) => String(countOf(results, status))),
  );
  return [...head('group', runs), ...rows, ...totals].join('\n');
}

function tally(results: readonly CaseResult[]): string {
  const applies = results.length - countOf(results, 'not-applicable');
  return applies === 0 ? 'n/a' : `${countOf(results, 'passed')} / ${applies}`;
}

function cases(runs: readonly SuiteRun[]): string {
  const known = new Map<string, ConformanceCase>(SUITE.map((subject) => [subject.id, subject]));
  const ids = new Set(runs.flatMap(({ results }) => results.map(({ id }) => id)));
  const rows = [...ids].map((id) => {
    const subject = known.get(id);
    const what = subject === undefined ? '' : `${subject.title} (${[subject.level, ...subject.rules].join(', ')})`;
    return row(`${id} | ${escaped(what)}`, runs, ({ results }) => {
      const result = results.find((candidate) => candidate.id === id);
      return result === undefined ? '' : MARKS[result.status];
    });
  });
  const [names = '', rule = ''] = head('id | case', runs);
  return [names, `| --- ${rule}`, ...rows].join('\n');
}

function reasons({ transport, results }: SuiteRun): string {
  const lines = reasonsOf(results).map(({ status, reason, ids }) => `- ${ids} ${status}: ${reason}`);
  return [`**${transport}**`, lines.length === 0 ? 'Everything passed.' : lines.join('\n')].join('\n\n');
}

function legend(): string {
  return `${STATUSES.map((status) => `${MARKS[status]} ${status}`).join(', ')}.`;
}

function head(first: string, runs: readonly SuiteRun[]): string[] {
  return [row(first, runs, ({ transport }) => transport), `| --- ${runs.map(() => '| --- ').join('')}|`];
}

function row(first: string, runs: readonly SuiteRun[], cellOf: (run: SuiteRun) => string): string {
  return `| ${[first, ...runs.map(cellOf)].join(' | ')} |`;
}

function escaped(text: string): string {
  return text.replaceAll('|', '\\|');
}
