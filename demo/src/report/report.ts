/** The report of a run: what was found, and what went over the bus. */

import type { AuditResult } from '../processes/process-event.ts';
import { describeFindings } from './findings.ts';
import type { Outcome } from './outcome.ts';
import type { Section } from './sections.ts';
import { count } from './table.ts';

/** The whole report. */
export function describeOutcome(outcome: Outcome): Section[] {
  return [...describeFindings(outcome), { title: 'On the bus', level: 1, rows: onTheBus(outcome) }];
}

function onTheBus(outcome: Outcome): string[][] {
  const { place, tally, merged, dead } = outcome;
  const results = [...merged.results.values()];
  return [
    ['bus', place],
    ['workers', `${outcome.workers} at a time; results of each: ${sharesOf(results)}`],
    ['requests', `${count(tally.asked)} asked, ${count(tally.answered)} answered; grades: ${gradesOf(results)}`],
    ['lock', `taken ${count(tally.locks)} ×, ${waitsOf(outcome)}`],
    ['events', eventsOf(outcome)],
    ['deliveries', `${count(tally.deliveries)} handled, ${count(tally.redeliveries)} of them with attempt ≥ 2`],
    ['merged again', `${count(merged.again)}, counted once`],
    ['stale tokens', `${count(merged.stale)} writes refused`],
    ['dead letters', count(dead.length)],
    ['killed', killedOf(outcome)],
  ];
}

function killedOf({ kills, serversKilled }: Outcome): string {
  const workers = kills.map(({ worker, held }) => `${worker} while it held ${held.length}`);
  return [...workers, ...(serversKilled > 0 ? ['the server, at half time'] : [])].join(', ') || 'nobody';
}

function sharesOf(results: readonly AuditResult[]): string {
  const shares = [...Map.groupBy(results, ({ worker }) => worker).values()].map((done) => done.length);
  return shares
    .sort((a, b) => b - a)
    .map(count)
    .join(' + ');
}

function gradesOf(results: readonly AuditResult[]): string {
  const graded = results.flatMap(({ grade }) => (grade === undefined ? [] : [grade]));
  const grades = [...Map.groupBy(graded, (grade) => grade)].sort();
  return grades.map(([grade, all]) => `${count(all.length)} × ${grade}`).join(', ') || 'none';
}

function waitsOf({ tally: { lockWaits, longestLockWaitMs } }: Outcome): string {
  const longest = lockWaits === 0 ? '' : `, ${longestLockWaitMs.toFixed(1)} ms at the longest`;
  return `${count(lockWaits)} × after a wait${longest}`;
}

function eventsOf({ tally: { published, received, replayed } }: Outcome): string {
  return `${count(published)} published, ${count(received ?? 0)} received, ${count(replayed ?? 0)} replayed`;
}
