/** The part of the report about the source files. */

import type { AuditedFile } from '../audit/audit.ts';
import type { Problem } from '../processes/process-event.ts';
import type { Outcome } from './outcome.ts';
import type { Section } from './sections.ts';
import { count, hidden, percent, size } from './table.ts';

const RANKED = 5;
const PROBLEMS = 20;
/** Files with fewer lines may do without comments. */
const LONG = 200;

/** What was found out about the files. */
export function describeFindings({ root, tally, merged, seconds }: Outcome): Section[] {
  const audits = [...merged.results.values()].map(({ audit }) => audit).sort((a, b) => (a.file < b.file ? -1 : 1));
  const audited = audits.filter((audit) => audit.status === 'audited');
  const skipped = audits.filter((audit) => audit.status === 'skipped');
  const problems = [...tally.problems, ...skipped.map(({ file, reason }) => ({ path: file, problem: reason }))];
  const lists: Section[] = [
    { title: 'Longest functions', level: 2, rows: longestFunctions(audited) },
    { title: 'Most TODO marks', level: 2, rows: mostMarks(audited) },
    { title: `Fewest comments, of files with ${LONG} lines and more`, level: 2, rows: fewestComments(audited) },
    { title: 'The same contents several times', level: 2, rows: sameContents(audited) },
    { title: `Reported, not fatal: ${count(problems.length)}`, level: 2, rows: reported(problems) },
  ];
  return [
    { title: `Audit of ${hidden(root)}`, level: 1, rows: summary(audited, tally.files, seconds) },
    ...lists.filter(({ rows }) => rows.length > 0),
  ];
}

function summary(audited: readonly AuditedFile[], files: number, seconds: number): string[][] {
  const lines = sum(audited, (audit) => audit.lines);
  const comments = sum(audited, (audit) => audit.commentLines);
  return [
    ['files', `${count(files)}, ${count(files / seconds)} a second, in ${seconds.toFixed(1)} s`],
    ['lines', `${count(lines)}, ${percent(comments, lines)} of them comments`],
    ['size', size(sum(audited, (audit) => audit.bytes))],
    ['TODO marks', count(sum(audited, (audit) => audit.todos))],
  ];
}

function longestFunctions(audited: readonly AuditedFile[]): string[][] {
  const long = audited.flatMap(({ file, longestFunction }) => (longestFunction ? [{ file, ...longestFunction }] : []));
  return best(long, ({ lines }) => lines).map(({ file, name, line, lines }) => [
    count(lines),
    hidden(name),
    `${hidden(file)}:${line}`,
  ]);
}

function mostMarks(audited: readonly AuditedFile[]): string[][] {
  const marked = audited.filter(({ todos }) => todos > 0);
  return best(marked, ({ todos }) => todos).map(({ file, todos }) => [count(todos), hidden(file)]);
}

function fewestComments(audited: readonly AuditedFile[]): string[][] {
  const long = audited.filter(({ lines }) => lines >= LONG);
  return best(long, ({ lines, commentLines }) => -commentLines / lines).map(({ file, lines, commentLines }) => [
    percent(commentLines, lines),
    `of ${count(lines)}`,
    hidden(file),
  ]);
}

function sameContents(audited: readonly AuditedFile[]): string[][] {
  const byHash = Map.groupBy(
    audited.filter(({ bytes }) => bytes > 0),
    ({ sha256 }) => sha256,
  );
  const groups = [...byHash.values()].filter((files) => files.length > 1);
  return best(groups, (files) => files.length).map((files) => [count(files.length), hidden(files[0]?.file ?? '')]);
}

function reported(problems: readonly Problem[]): string[][] {
  const rows = problems.slice(0, PROBLEMS).map(({ path, problem }) => [problem, hidden(path)]);
  return problems.length > PROBLEMS ? [...rows, [`and ${count(problems.length - PROBLEMS)} more`]] : rows;
}

function best<T>(items: readonly T[], score: (item: T) => number): T[] {
  return [...items].sort((a, b) => score(b) - score(a)).slice(0, RANKED);
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
