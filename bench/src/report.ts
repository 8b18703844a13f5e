/** The report: a table per question, and the same as JSON. */

import { describeMachine, type Machine } from '@busbar/testbed';
import { type Figure, median, show } from './figures.ts';
import type { BenchOptions, Durability } from './options.ts';
import { SCENARIOS, type ScenarioName } from './scenarios.ts';
import { SUBJECTS, type SubjectName } from './subjects.ts';
import { readVersions } from './versions.ts';

/** The answer of one subject to one question. */
export interface Answer {
  readonly scenario: ScenarioName;
  readonly durability: Durability;
  /** Undefined for a question that brings its own. */
  readonly subject: SubjectName | undefined;
  /** Undefined where the subject cannot answer. */
  readonly figures: readonly Figure[] | undefined;
}

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
  return [
    `${cpu}, ${cores} cores, ${memoryGiB} GiB, ${kernel}, Node ${node}`,
    of.join(', '),
    `${options.messages} messages, ${options.bodyBytes}-byte JSON bodies, ${options.inFlight} in flight, median of ${options.runs} runs (least to most)`,
  ].join('\n');
}

/** The table of one question at one durability. */
export function renderTable(scenario: ScenarioName, durability: Durability, answers: readonly Answer[]): string {
  const { question, alone } = SCENARIOS[scenario];
  const names = answers.find(({ figures }) => figures !== undefined)?.figures ?? [];
  const header = ['', ...names.map(({ name, unit }) => `${name} ${unit}`)];
  const rows = answers.map(({ subject, figures }) => [
    subject ?? 'figure',
    ...(figures === undefined ? ['cannot do that'] : figures.map(showFigure)),
  ]);
  const title = alone === true ? question : `${question} (${describeDurability(durability)})`;
  return `${title}\n${columns([header, ...rows])}`;
}

/** What the subjects are. */
export function renderSubjects(subjects: readonly SubjectName[]): string {
  return columns(subjects.map((name) => [name, SUBJECTS[name].about]));
}

function describeDurability(durability: Durability): string {
  return durability === 'power' ? 'synced before it is acknowledged' : 'survives kill -9';
}

function showFigure({ values }: Figure): string {
  const middle = show(median(values));
  return values.length < 2 ? middle : `${middle} (${show(Math.min(...values))} to ${show(Math.max(...values))})`;
}

function columns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows)
    for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, cell.length);
  return rows
    .map((row) => `  ${row.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join('  ')}`.trimEnd())
    .join('\n');
}
