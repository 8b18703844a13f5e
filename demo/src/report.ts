/** The report of a run, as a person reads it. */

import type { AuditedFile } from './audit.ts';
import type { AuditResult, Problem } from './news.ts';
import type { Merged } from './results-file.ts';
import { count, hidden, table } from './table.ts';
import type { Tally } from './tally.ts';

/** One run, finished. */
export interface Run {
  readonly root: string;
  readonly transport: string;
  readonly workers: number;
  readonly seconds: number;
  readonly tally: Tally;
  readonly merged: Merged;
  readonly killed: readonly Kill[];
  readonly serverKilled: boolean;
  /** Audit tasks that became dead letters. */
  readonly dead: number;
}

/** A worker that was killed. */
export interface Kill {
  readonly worker: string;
  /** How many leases it held. */
  readonly held: number;
}

/** What counts in the end. */
export interface Verdict {
  readonly files: number;
  readonly results: number;
  readonly lost: number;
  readonly duplicated: number;
}

const RANKED = 5;
const WIDTH = 78;

/** Counts what counts: results without the same file twice, files without a result. */
export function judge(tally: Tally, merged: Merged): Verdict {
  const files = tally.files ?? 0;
  const distinct = new Set([...merged.results.values()].map(({ audit }) => audit.file)).size;
  return { files, results: merged.results.size, lost: files - distinct, duplicated: merged.results.size - distinct };
}

/** The last line on stdout: a contract. */
export function lastLine({ files, results, lost, duplicated }: Verdict, killed: number, serverKilled: boolean): string {
  const server = serverKilled ? ', 1 server killed' : '';
  return `demo: ${files} files, ${results} results, ${lost} lost, ${duplicated} duplicated, ${killed} killed${server}`;
}

/** The whole report. */
export function renderReport(run: Run): string {
  const results = [...run.merged.results.values()];
  const audited = results.map(({ audit }) => audit).filter((audit) => audit.status === 'audited');
  const skipped = results.flatMap(({ audit }) =>
    audit.status === 'skipped' ? [{ path: audit.file, problem: audit.reason }] : [],
  );
  const sections = [
    heading(`Audit of ${hidden(run.root)}`),
    summary(run, audited),
    ranking('Longest functions', longestFunctions(audited)),
    ranking('Most TODO marks', mostMarks(audited)),
    ranking('Least commented (200 lines and more)', leastCommented(audited)),
    sameContents(audited),
    reported([...run.tally.problems, ...skipped]),
    heading('On the bus'),
    onTheBus(run, results),
  ];
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
}

function heading(text: string): string {
  return `${text}\n${'─'.repeat(Math.min(WIDTH, Math.max(text.length, 20)))}`;
}

function summary(run: Run, audited: readonly AuditedFile[]): string {
  const lines = sum(audited, (audit) => audit.lines);
  const comments = sum(audited, (audit) => audit.commentLines);
  const files = run.tally.files ?? 0;
  return table([
    ['files', `${count(files)}, ${count(files / run.seconds)} a second, in ${run.seconds.toFixed(1)} s`],
    ['lines', `${count(lines)}, ${percent(comments, lines)} of them comments`],
    ['size', `${(sum(audited, (audit) => audit.bytes) / 1e6).toFixed(1)} MB`],
    ['TODO marks', count(sum(audited, (audit) => audit.todos))],
  ]);
}

function ranking(title: string, rows: readonly (readonly string[])[]): string {
  return rows.length === 0 ? '' : `${title}\n${table(rows, '  ')}`;
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

function leastCommented(audited: readonly AuditedFile[]): string[][] {
  const long = audited.filter(({ lines }) => lines >= 200);
  return best(long, ({ lines, commentLines }) => -commentLines / lines).map(({ file, lines, commentLines }) => [
    percent(commentLines, lines),
    `of ${count(lines)}`,
    hidden(file),
  ]);
}

function sameContents(audited: readonly AuditedFile[]): string {
  const byHash = Map.groupBy(
    audited.filter(({ bytes }) => bytes > 0),
    ({ sha256 }) => sha256,
  );
  const groups = [...byHash.values()].filter((files) => files.length > 1);
  const rows = best(groups, (files) => files.length).map((files) => [
    count(files.length),
    hidden(files[0]?.file ?? ''),
  ]);
  return ranking('Same contents more than once', rows);
}

function reported(problems: readonly Problem[]): string {
  if (problems.length === 0) return '';
  const rows = problems.slice(0, 20).map(({ path, problem }) => [problem, hidden(path)]);
  const more = problems.length > rows.length ? `\n  and ${count(problems.length - rows.length)} more` : '';
  return `Reported, not fatal (${count(problems.length)})\n${table(rows, '  ')}${more}`;
}

function onTheBus({ transport, workers, tally, merged, killed, dead }: Run, results: readonly AuditResult[]): string {
  const perWorker = Map.groupBy(results, ({ worker }) => worker);
  const shares = [...perWorker.values()].map((done) => done.length).sort((a, b) => b - a);
  const grades = Map.groupBy(
    results.filter(({ grade }) => grade !== undefined),
    ({ grade }) => grade,
  );
  const graded = [...grades].sort().map(([grade, of]) => `${grade} ${of.length}`);
  return table([
    ['transport', transport],
    ['workers', `${workers}, results of each: ${shares.map(count).join(', ')}`],
    [
      'requests',
      `${count(tally.asked)} asked, ${count(tally.answered)} answered; the expert's grades: ${graded.join(', ')}`,
    ],
    [
      'lock',
      `taken ${count(tally.locks)} times, ${count(tally.lockWaits)} waits, the longest ${tally.longestLockWaitMs.toFixed(1)} ms`,
    ],
    [
      'events',
      `${count(tally.published)} published, ${count(tally.received)} received, ${count(tally.replayed ?? 0)} replayed`,
    ],
    ['deliveries', `${count(tally.deliveries)} handled, ${count(tally.redeliveries)} of them with attempt ≥ 2`],
    ['merged again', `${count(merged.again)}, counted once; ${count(merged.stale)} writes with a stale token refused`],
    ['dead letters', count(dead)],
    [
      'killed',
      killed.length === 0 ? 'nobody' : killed.map(({ worker, held }) => `${worker} (held ${held})`).join(', '),
    ],
  ]);
}

function best<T>(items: readonly T[], score: (item: T) => number): T[] {
  return [...items].sort((a, b) => score(b) - score(a)).slice(0, RANKED);
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}

function percent(part: number, whole: number): string {
  return `${whole === 0 ? '0.0' : ((part / whole) * 100).toFixed(1)} %`;
}
