/** The report: a table per question, and the same as JSON. */

import { describeMachine, type Machine } from '@busbar/testbed';
import { type Figure, find, median, ratio, show } from '../figures.ts';
import type { Answer } from '../measurement.ts';
import type { BenchOptions, Durability } from '../options.ts';
import { SCENARIOS, type ScenarioName } from '../scenarios/scenarios.ts';
import { missing, SUBJECTS } from '../targets/targets.ts';
import { columns } from './columns.ts';
import { holdBars } from './thresholds.ts';
import { readVersions } from './versions.ts';

/** Everything a reader needs to judge the figures. */
export interface Report {
  readonly date: string;
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
  readonly options: BenchOptions;
  readonly answers: readonly Answer[];
}

export function makeReport(options: BenchOptions, answers: readonly Answer[]): Report {
  return { date: new Date().toISOString(), machine: describeMachine(), versions: readVersions(), options, answers };
}

/** What was measured on what. */
export function renderHeader({ machine, versions, options }: Pick<Report, 'machine' | 'versions' | 'options'>): string {
  const { cpu, cores, memoryGiB, kernel, node } = machine;
  const of = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const { messages, bodyBytes, inFlight, runs } = options;
  return [
    `${cpu}, ${cores} cores, ${memoryGiB} GiB, ${kernel}, Node ${node}`,
    of.join(', '),
    `${messages} messages (fewer with fewer in flight), ${bodyBytes}-byte JSON bodies, ${inFlight.join(', ')} in flight,`,
    `median of ${runs} runs (least to most), and how many times better that is than the peer in the last column`,
  ].join('\n');
}

/** What the subjects are, and which of them cannot be had here. */
export function renderSubjects(subjects: readonly string[]): string {
  return columns(subjects.map((name) => [name, missingNote(name) ?? SUBJECTS[name]?.about ?? '']));
}

/** The tables of one question at one durability: one for each of its circumstances. */
export function renderTables(scenario: ScenarioName, durability: Durability, answers: readonly Answer[]): string {
  const { question, alone } = SCENARIOS[scenario];
  const title = alone ? question : `${question} (${DESCRIPTIONS[durability]})`;
  const all = answers.flatMap(({ figures }) => figures);
  const tables = [...new Set(all.map(({ at }) => at))].map((at) => renderTable(at, answers));
  const failures = answers.flatMap(({ subject, failure }) => (failure ? [`  ${subject} failed: ${failure}`] : []));
  return [title, ...tables, ...failures].join('\n');
}

/** The bars that can be told from these answers. */
export function renderBars(answers: readonly Answer[]): string | undefined {
  const rows = holdBars(answers);
  return rows.length === 0 ? undefined : `Bars\n${columns(rows)}`;
}

const DESCRIPTIONS: Readonly<Record<Durability, string>> = {
  none: 'nothing need last: Redis without a log, JetStream and hubs in memory',
  process: 'survives kill -9 of everything: SQLite NORMAL, Redis synced always, JetStream in files',
  power: 'synced before it is acknowledged: SQLite FULL, Redis synced always',
};

function missingNote(name: string): string | undefined {
  const why = missing(name);
  return why === undefined ? undefined : `NOT TESTED: ${why}`;
}

function renderTable(at: string | undefined, answers: readonly Answer[]): string {
  const isHere = (figure: Figure): boolean => figure.at === at;
  const names = answers.find(({ figures }) => figures.some(isHere))?.figures.filter(isHere) ?? [];
  const rows = answers
    .filter(({ figures }) => figures.some(isHere))
    .map((answer) => {
      const peer = findPeer(answer, answers);
      const cells = answer.figures.filter(isHere).map((figure) => showFigure(figure, peer));
      return [answer.subject ?? 'figure', ...cells, peer?.subject === undefined ? '' : `× ${peer.subject}`];
    });
  return columns([[at ?? '', ...names.map(({ name, unit }) => `${name} ${unit}`)], ...rows]);
}

/** The first of the peers of a subject that answered too. */
function findPeer({ subject }: Answer, answers: readonly Answer[]): Answer | undefined {
  const { beside = [] } = (subject === undefined ? undefined : SUBJECTS[subject]) ?? {};
  const answered = beside.map((name) => answers.find((other) => other.subject === name && other.figures.length > 0));
  return answered.find((answer) => answer !== undefined);
}

function showFigure(figure: Figure, peer: Answer | undefined): string {
  const { values } = figure;
  const range = values.length < 2 ? '' : ` (${show(Math.min(...values))} to ${show(Math.max(...values))})`;
  const other = peer && find(peer.figures, figure);
  const times = other === undefined ? Number.NaN : ratio(figure, other);
  return `${show(median(values))}${range}${times > 0 && Number.isFinite(times) ? ` ${show(times)}×` : ''}`;
}
