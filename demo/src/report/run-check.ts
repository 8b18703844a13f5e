/** Checks the outcome of a run: the last line of the report, and all faults. */

import { count, printable } from './report.ts';
import type { RunOutcome } from './run-outcome.ts';

/** The numbers of the last line. */
export interface RunCheck {
  readonly files: number;
  readonly results: number;
  /** Files without a result. */
  readonly lost: number;
  /** Results beyond the first of a file. */
  readonly duplicated: number;
}

const SHOWN = 5;

/** Counts lost and duplicated results. The message id of a task identifies its result. */
export function checkRun({ stats: { files = 0 }, merged }: RunOutcome): RunCheck {
  const distinct = new Set([...merged.results.values()].map(({ audit }) => audit.file)).size;
  const results = merged.results.size;
  return { files, results, lost: files - distinct, duplicated: results - distinct };
}

/** The last line of the output. */
export function lastLine(outcome: RunOutcome): string {
  const { files, results, lost, duplicated } = checkRun(outcome);
  const killed = outcome.kills.length;
  const server = outcome.serverKillWanted ? `, ${outcome.serversKilled} server killed` : '';
  const moved = outcome.moved && outcome.moveWanted ? `, moved to ${outcome.moveWanted.to}` : '';
  const rest = `${killed} killed${server}${moved}`;
  return `demo: ${files} files, ${results} results, ${lost} lost, ${duplicated} duplicated, ${rest}`;
}

/** One line for each fault; empty if the run kept its promises. */
export function findFaults(outcome: RunOutcome): string[] {
  return [...lossFaults(outcome), ...eventFaults(outcome), ...killFaults(outcome)];
}

function lossFaults(outcome: RunOutcome): string[] {
  const { files, lost, duplicated } = checkRun(outcome);
  const dead = outcome.dead.slice(0, SHOWN);
  return [
    ...(lost > 0 ? [`${count(lost)} of ${count(files)} files have no result`] : []),
    ...(duplicated > 0 ? [`${count(duplicated)} results were counted twice`] : []),
    ...dead.map(({ file, reason }) => `gave up on ${printable(file)}: ${printable(reason)}`),
  ];
}

function eventFaults({ stats: { published, received, replayed } }: RunOutcome): string[] {
  if (published === received && published === replayed) return [];
  return [`events do not agree: ${published} published, ${received ?? 0} received, ${replayed ?? 0} replayed`];
}

function killFaults(outcome: RunOutcome): string[] {
  const { stats, kills, killsWanted, serversKilled, serverKillWanted, moveWanted, moved } = outcome;
  const missed = killsWanted - kills.length;
  const idle = kills.filter(({ held }) => !held.some((task) => stats.attemptOf(task) >= 2));
  return [
    ...(missed > 0 ? [`${missed} of ${killsWanted} workers were not killed: the work ended before`] : []),
    ...(serverKillWanted && serversKilled === 0 ? ['the server was not killed: the work ended before'] : []),
    ...(moveWanted && !moved ? ['the bus was not moved: the work ended before'] : []),
    ...idle.map(({ worker }) => `none of the tasks that ${worker} held when it was killed was delivered again`),
  ];
}
