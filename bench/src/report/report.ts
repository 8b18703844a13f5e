/** The report: tables per scenario, and JSON. */

import { loadavg } from 'node:os';
import type { Durability } from '../durability.ts';
import { type Figure, find, ratio, show, typical } from '../figures.ts';
import { type Measurement, tallyOf } from '../measurement.ts';
import type { BenchOptions } from '../options.ts';
import type { ScenarioName } from '../scenarios/scenario-name.ts';
import { SCENARIOS } from '../scenarios/scenarios.ts';
import { missingServerOf, TARGETS } from '../targets/targets.ts';
import { columns } from './columns.ts';
import { describeMachine, type Machine } from './machine.ts';
import { checkThresholds } from './thresholds.ts';
import { readVersions } from './versions.ts';

/** The JSON of a run. */
export interface Report {
  readonly date: string;
  /** The command that measured it. */
  readonly command: string;
  readonly machine: Machine;
  /** The mean number of processes that wanted to run in the minute before. Above that of the cores, rates mean little. */
  readonly loadBefore: number;
  readonly versions: Readonly<Record<string, string>>;
  readonly options: BenchOptions;
  /** How each target is set, and how each durability is configured. */
  readonly settings: {
    readonly targets: Readonly<Record<string, string>>;
    readonly durabilities: Readonly<Record<Durability, string>>;
  };
  readonly measurements: readonly Measurement[];
}

export function makeReport(options: BenchOptions, measurements: readonly Measurement[]): Report {
  return {
    date: new Date().toISOString(),
    command: ['npm run bench --', ...process.argv.slice(2)].join(' '),
    machine: describeMachine(),
    loadBefore: LOAD_BEFORE,
    versions: readVersions(),
    options,
    settings: {
      targets: Object.fromEntries(options.targets.map((name) => [name, TARGETS[name]?.about ?? ''])),
      durabilities: DESCRIPTIONS,
    },
    measurements,
  };
}

/** The machine, the versions and the size of the run. */
export function renderHeader({ machine, versions, options }: Pick<Report, 'machine' | 'versions' | 'options'>): string {
  const { cpu, cores, memoryGiB, kernel, node } = machine;
  const of = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const { messages, bodyBytes, inFlight, runs } = options;
  return [
    `${cpu}, ${cores} cores, ${memoryGiB} GiB, ${kernel}, Node ${node}`,
    of.join(', '),
    `${messages} messages (fewer with fewer in flight), ${bodyBytes}-byte JSON bodies, ${inFlight.join(', ')} in flight,`,
    `median of ${runs} runs (smallest to largest), and how many times better it is than the peer in the last column`,
  ].join('\n');
}

/** Every table of a report, and its thresholds. */
export function renderReport({ measurements }: Report): string[] {
  const batches = [...new Set(measurements.map(({ scenario, durability }) => `${scenario} ${durability}`))];
  const tables = batches.map((batch) => {
    const own = measurements.filter(({ scenario, durability }) => `${scenario} ${durability}` === batch);
    const [{ scenario, durability }] = own as [Measurement];
    return renderTables(scenario, durability, own);
  });
  return [...tables, renderThresholds(measurements) ?? ''];
}

/** What was lost or doubled, and what there was no time for. */
export function renderAccount(measurements: readonly Measurement[]): string {
  const { runs, expected, lost, doubled, reordered } = tallyOf(measurements);
  const counted = `${runs} runs, ${expected} deliveries: ${lost} lost, ${doubled} doubled, ${reordered} reordered`;
  const skipped = measurements
    .filter((one) => one.skipped)
    .map(({ scenario, target }) => `${scenario} ${target ?? ''}`);
  return skipped.length === 0 ? counted : `${counted}\nNo time was left for ${skipped.join(', ')}`;
}

/** The targets, and which of them cannot be measured on this machine. */
export function renderTargets(targets: readonly string[]): string {
  return columns(targets.map((name) => [name, missingNote(name) ?? TARGETS[name]?.about ?? '']));
}

/** The tables of one scenario at one durability: one for each condition. */
export function renderTables(
  scenario: ScenarioName,
  durability: Durability,
  measurements: readonly Measurement[],
): string {
  const { title: text, alone, scaling } = SCENARIOS[scenario];
  const title = alone ? text : `${text} (${DESCRIPTIONS[durability]})`;
  const tables = scaling ? measurements.flatMap(renderScaling) : renderConditions(measurements);
  const failures = measurements.flatMap(({ target, failure }) =>
    failure ? [`  ${target ?? scenario} failed: ${failure}`] : [],
  );
  return [title, ...tables, ...failures].join('\n');
}

/** The thresholds whose figures were measured. */
export function renderThresholds(measurements: readonly Measurement[]): string | undefined {
  const rows = checkThresholds(measurements);
  return rows.length === 0 ? undefined : `Thresholds\n${columns(rows)}`;
}

const [LOAD_BEFORE = 0] = loadavg();

const DESCRIPTIONS: Readonly<Record<Durability, string>> = {
  none: 'acknowledged messages may be lost: Redis without a log, JetStream and hubs in memory',
  process: 'survives kill -9 of every process: SQLite NORMAL, Redis appendfsync always, JetStream in files',
  power: 'synced before the acknowledgement: SQLite FULL, Redis appendfsync always',
};

function missingNote(name: string): string | undefined {
  const why = missingServerOf(name);
  return why === undefined ? undefined : `NOT TESTED: ${why}`;
}

/** One table for each condition: a row for each target, with factors relative to its peer. */
function renderConditions(measurements: readonly Measurement[]): string[] {
  const all = measurements.flatMap(({ figures }) => figures);
  return [...new Set(all.map(({ at }) => at))].map((at) => renderTable(at, measurements));
}

/** The table of one target: a row for each condition, with factors relative to the first one, and figures of the whole. */
function renderScaling({ target, figures }: Measurement): string[] {
  const conditions = [...new Set(figures.flatMap(({ at }) => at ?? []))];
  const [first, ...others] = conditions;
  const inRow = (at: string | undefined): Figure[] => figures.filter((figure) => figure.at === at);
  const base = inRow(first);
  const rowOf = (at: string): string[] => [
    at,
    ...inRow(at).map((figure, index) => showFigure(figure, at === first ? undefined : base[index])),
  ];
  if (first === undefined) return [];
  const head = [target ?? '', ...base.map(({ name, unit }) => `${name} ${unit}`)];
  const whole = inRow(undefined).map(
    (figure) => `  ${target} ${figure.name}: ${showFigure(figure, undefined)} ${figure.unit}`,
  );
  return [columns([head, ...[first, ...others].map(rowOf)]), ...whole];
}

function renderTable(at: string | undefined, measurements: readonly Measurement[]): string {
  const isHere = (figure: Figure): boolean => figure.at === at;
  const names = measurements.find(({ figures }) => figures.some(isHere))?.figures.filter(isHere) ?? [];
  const rows = measurements
    .filter(({ figures }) => figures.some(isHere))
    .map((measurement) => {
      const peer = findPeer(measurement, measurements);
      const cells = measurement.figures
        .filter(isHere)
        .map((figure) => showFigure(figure, peer && find(peer.figures, figure)));
      return [measurement.target ?? 'figure', ...cells, peer?.target === undefined ? '' : `× ${peer.target}`];
    });
  return columns([[at ?? '', ...names.map(({ name, unit }) => `${name} ${unit}`)], ...rows]);
}

/** The first peer of a target that was measured too. */
function findPeer({ target }: Measurement, measurements: readonly Measurement[]): Measurement | undefined {
  const { beside = [] } = (target === undefined ? undefined : TARGETS[target]) ?? {};
  const measured = measurements.filter(({ figures }) => figures.length > 0);
  const peers = beside.map((name) => measured.find((other) => other.target === name));
  return peers.find((peer) => peer !== undefined);
}

/** The median or the percentile of all runs, their range, and how many times better it is than `other`. */
function showFigure(figure: Figure, other: Figure | undefined): string {
  const { values } = figure;
  const range = values.length < 2 ? '' : ` (${show(Math.min(...values))} to ${show(Math.max(...values))})`;
  const times = other === undefined ? Number.NaN : ratio(figure, other);
  return `${show(typical(figure))}${range}${times > 0 && Number.isFinite(times) ? ` ${show(times)}×` : ''}`;
}
