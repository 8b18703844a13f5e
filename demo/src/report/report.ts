/** The report of a run, as text. */

import type { AuditResult } from '../processes/process-event.ts';
import type { RunOutcome } from './run-outcome.ts';

const LABEL_WIDTH = 14;
/** Problems and dead letters beyond this number are left out. */
const LISTED = 20;

/** The report without its last line. */
export function renderReport(outcome: RunOutcome): string {
  const { root, stats, merged, seconds } = outcome;
  const results = [...merged.results.values()];
  const audits = results.map(({ audit }) => audit);
  const sum = (of: (audit: AuditResult['audit']) => number): number =>
    audits.reduce((all, audit) => all + of(audit), 0);
  const { files = 0 } = stats;
  const problems = audits.flatMap(({ file, problem }) => (problem === undefined ? [] : [`${problem}  ${file}`]));
  const rows = [
    ['root', root],
    ['files', `${count(files)}, ${count(files / seconds)} a second, in ${seconds.toFixed(1)} s`],
    ['lines', count(sum(({ lines }) => lines))],
    ['size', `${(sum(({ bytes }) => bytes) / 1e6).toFixed(1)} MB`],
    ['same contents', `${count(audits.length - new Set(audits.map(({ sha256 }) => sha256)).size)} files`],
    ...problems.slice(0, LISTED).map((problem) => ['problem', problem]),
    ...busRows(outcome, results),
  ];
  return rows.map(([label = '', text = '']) => `${label.padEnd(LABEL_WIDTH)}${printable(text)}\n`).join('');
}

/** A whole number with a comma after the thousands. */
export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** Replaces characters that a terminal would obey. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '�');
}

function busRows(outcome: RunOutcome, results: readonly AuditResult[]): string[][] {
  const { stats, merged, kills, serversKilled } = outcome;
  const grades = tally(results.flatMap(({ grade }) => grade ?? [])).map(([grade, n]) => `${count(n)} × ${grade}`);
  const shares = tally(results.map(({ worker }) => worker)).map(([, n]) => count(n));
  const killed = kills.map(({ worker, held }) => `${worker} while it held ${held.length}`);
  if (serversKilled > 0) killed.push('the server');
  const { published, received = 0, replayed = 0 } = stats;
  return [
    ['bus', outcome.bus],
    ['workers', `${outcome.workers} at a time; results of each: ${shares.join(' + ')}`],
    ['requests', `${count(stats.asked)} asked, ${count(stats.answered)} answered; grades: ${grades.join(', ') || '-'}`],
    ['lock', `taken ${count(stats.locks)} ×, ${count(stats.lockWaits)} × after a wait`],
    ['events', `${count(published)} published, ${count(received)} received, ${count(replayed)} replayed`],
    ['live', `${count(stats.live)} ephemeral events received`],
    ...trafficRows(stats),
    ['deliveries', `${count(stats.deliveries)} handled, ${count(stats.redeliveries)} of them with attempt ≥ 2`],
    ['merged again', `${count(merged.again)}, counted once`],
    ['stale tokens', `${count(merged.stale)} writes refused`],
    ['dead letters', count(outcome.dead.length)],
    ['killed', killed.join(', ') || '-'],
    ...moveRows(outcome),
  ];
}

/** The report of the move. */
function moveRows({ moveWanted, moved }: RunOutcome): string[][] {
  if (moveWanted === undefined || moved === undefined) return [];
  const { records, ms, pauseMs, redelivered } = moved;
  const { messages, events, keys, ids } = records;
  const steps = Object.entries(ms).map(([step, took]) => `${step} ${count(took)} ms`);
  return [
    ['moved', `from ${moveWanted.from} to ${moveWanted.to} while all agents worked`],
    [
      'records',
      `${count(messages)} messages, ${count(events)} events, ${count(keys)} keys, ${count(ids)} remembered ids`,
    ],
    ['pause', `${count(pauseMs)} ms; held messages that were delivered again: ${count(redelivered.count)}`],
    ['steps', steps.join(', ')],
  ];
}

/** What went over each part of the bus, if it has parts. */
function trafficRows({ traffic }: RunOutcome['stats']): string[][] {
  const all = [...traffic.values()].reduce((sum, sent) => sum + sent, 0);
  const shares = [...traffic].map(([part, sent]) => `${part} ${count(sent)} (${Math.round((100 * sent) / all)} %)`);
  return shares.length === 0 ? [] : [['traffic', `messages over each part: ${shares.join(', ')}`]];
}

function tally(values: readonly string[]): [value: string, count: number][] {
  return [...Map.groupBy(values, (value) => value)]
    .map(([value, all]) => [value, all.length] as [string, number])
    .sort();
}
