/** What counts in the end, and what is wrong. */

import type { Outcome } from './outcome.ts';
import { count, hidden } from './table.ts';

/** The numbers of the last line. */
export interface Verdict {
  readonly files: number;
  readonly results: number;
  /** Files without a result. */
  readonly lost: number;
  /** Results beyond the first of a file. */
  readonly duplicated: number;
}

const SHOWN = 5;

/** Counts what counts. A result is known by the message id of its task: one that was merged again is the same. */
export function judge({ tally, merged }: Outcome): Verdict {
  const { files } = tally;
  const results = merged.results.size;
  const distinct = new Set([...merged.results.values()].map(({ audit }) => audit.file)).size;
  return { files, results, lost: files - distinct, duplicated: results - distinct };
}

/** The last line on stdout: a contract. */
export function lastLine(outcome: Outcome): string {
  const { files, results, lost, duplicated } = judge(outcome);
  const server = outcome.serversKilled > 0 ? `, ${outcome.serversKilled} server killed` : '';
  const killed = outcome.kills.length;
  return `demo: ${files} files, ${results} results, ${lost} lost, ${duplicated} duplicated, ${killed} killed${server}`;
}

/** Everything that is wrong, a line each. Nothing is where all is well. */
export function findFaults(outcome: Outcome): string[] {
  return [...lossFaults(outcome), ...eventFaults(outcome), ...killFaults(outcome)];
}

function lossFaults(outcome: Outcome): string[] {
  const { files, lost, duplicated } = judge(outcome);
  const dead = outcome.dead
    .slice(0, SHOWN)
    .map(({ path, problem }) => `gave up on ${hidden(path)}: ${hidden(problem)}`);
  return [
    ...(lost > 0 ? [`${count(lost)} of ${count(files)} files have no result`] : []),
    ...(duplicated > 0 ? [`${count(duplicated)} results were counted twice`] : []),
    ...dead,
  ];
}

function eventFaults({ tally: { published, received, replayed } }: Outcome): string[] {
  if (published === received && published === replayed) return [];
  const numbers = `${count(published)} published, ${count(received ?? 0)} received, ${count(replayed ?? 0)} replayed`;
  return [`events do not agree: ${numbers}`];
}

function killFaults({ tally, kills, killsWanted, serversKilled, serverKillWanted }: Outcome): string[] {
  const missed = killsWanted - kills.length;
  const idle = kills.filter(({ held }) => !held.some((task) => tally.attemptOf(task) >= 2));
  return [
    ...(missed > 0 ? [`${missed} of ${killsWanted} workers could not be killed: all work was done before`] : []),
    ...(serverKillWanted && serversKilled === 0 ? ['the server was not killed: all work was done before'] : []),
    ...idle.map(({ worker }) => `nothing that ${worker} held when it was killed was delivered again`),
  ];
}
