/** The pictures of a report. */

import { DURABILITIES, type Durability } from '../durability.ts';
import { typical } from '../figures.ts';
import { figureOf, type Measurement } from '../measurement.ts';
import { type BarRow, barPanels } from './bar-panels.ts';
import { type Line, type LineValue, linePanels } from './line-panels.ts';
import { brief } from './scale.ts';
import type { Series } from './svg.ts';

/** A picture: the name of its file, and a text for those who do not see it. */
export interface Plot {
  readonly name: string;
  readonly alternative: string;
  readonly svg: string;
}

/** The targets of each backend: Busbar first, then its peers on the same file or server. */
const GROUPS: readonly {
  readonly name: string;
  readonly targets: readonly (readonly [target: string, series: Series])[];
}[] = [
  {
    name: 'SQLite',
    targets: [
      ['sqlite-bus', 'sqlite'],
      ['plainjob', 'peer'],
      ['sqlite-poll', 'peer'],
      ['json-files', 'peer'],
    ],
  },
  {
    name: 'Redis',
    targets: [
      ['redis-bus', 'redis'],
      ['bullmq', 'peer'],
      ['blpop', 'peer'],
    ],
  },
  {
    name: 'NATS',
    targets: [
      ['nats-bus', 'nats'],
      ['jetstream-asked', 'peer'],
      ['jetstream', 'peer'],
    ],
  },
  { name: 'Hub over a Unix socket', targets: [['unix-bus', 'unix']] },
];
const POSTGRESQL: (typeof GROUPS)[number] = { name: 'PostgreSQL', targets: [['pg-boss', 'peer']] };
const BACKENDS: readonly (readonly [target: string, series: Series])[] = [
  ['sqlite', 'sqlite'],
  ['redis', 'redis'],
  ['nats', 'nats'],
  ['unix', 'unix'],
];
const PANELS: Readonly<Record<Durability, string>> = {
  none: 'may be lost',
  process: 'survives kill -9',
  power: 'survives power loss',
};

/** The plots whose figures were measured. */
export function makePlots(measurements: readonly Measurement[]): Plot[] {
  return [plotDurability, plotRates, plotMembers, plotMemory].flatMap((plot) => plot(measurements) ?? []);
}

function plotDurability(measurements: readonly Measurement[]): Plot | undefined {
  const at = conditionOf(measurements, 'queue');
  const value = (target: string, durability: Durability, figure: string): number[] => {
    const found = figureOf(measurements, { scenario: 'queue', target, durability, figure, at });
    return found === undefined ? [] : [typical(found)];
  };
  const durabilities = DURABILITIES.filter((one) =>
    measurements.some(
      ({ scenario, durability, figures }) => scenario === 'queue' && durability === one && figures.length > 0,
    ),
  );
  const rows = [...GROUPS, POSTGRESQL].flatMap(({ targets }) => {
    const measured = targets.map(([label, series]) => ({
      ...{ label, series },
      panels: durabilities.map((one) => [...value(label, one, 'enqueue'), ...value(label, one, 'consume+ack')]),
    }));
    const present = measured.filter(({ panels }) => panels.some((values) => values.length > 0));
    return present.map((row, index): BarRow => ({ ...row, isFirst: index === 0 }));
  });
  if (rows.length === 0) return undefined;
  const title = 'Tasks a second by durability';
  const subtitle = `Strong: enqueued. Pale: handled and settled. One process each, ${at}. Grey: peers.`;
  return {
    name: 'durability',
    alternative: 'Bars: tasks a second that each backend and its peers enqueue and handle, by durability',
    svg: barPanels({ title, subtitle, rows, panels: durabilities.map((one) => PANELS[one]), unit: 'tasks a second' }),
  };
}

function plotRates(measurements: readonly Measurement[]): Plot | undefined {
  const panels = GROUPS.map(({ name, targets }) => ({
    title: name,
    lines: targets.map(([target, series]) => rateLine(measurements, target, series)),
  }));
  if (panels.every(({ lines }) => lines.every(({ values }) => values.length === 0))) return undefined;
  return {
    name: 'rates',
    alternative:
      'Lines: p99 of the latency against the offered rate, up to the rate that each target no longer keeps up with',
    svg: linePanels({
      title: 'Latency against offered rate',
      subtitle:
        'p99 from the time at which a task had to leave up to its handler. Hollow: the backlog grows. Number: the highest rate kept up with.',
      panels,
      x: { title: 'tasks offered a second', scale: 'log' },
      y: { title: 'p99 in ms', scale: 'log' },
    }),
  };
}

function rateLine(measurements: readonly Measurement[], target: string, series: Series): Line {
  const found = measurements.find((one) => one.scenario === 'rate' && one.target === target);
  const kept = figureOf(measurements, { scenario: 'rate', target, figure: 'highest rate kept up with' });
  const most = kept === undefined ? 0 : typical(kept);
  const values = (found?.figures ?? [])
    .filter(({ name, at }) => name === 'p99' && at !== undefined)
    .map((figure): LineValue => {
      const x = Number.parseFloat(figure.at ?? '');
      return { x, y: Math.max(0.1, typical(figure)), isBeyond: x > most };
    })
    .filter(({ y }) => Number.isFinite(y))
    .sort((a, b) => a.x - b.x);
  return { label: most > 0 ? `${target} ${brief(most)}/s` : target, series, values };
}

function plotMembers(measurements: readonly Measurement[]): Plot | undefined {
  const lines = BACKENDS.map(([target, series]) =>
    conditionLine(measurements, { scenario: 'members', target, series }, ['consume+ack']),
  );
  if (lines.every(({ values }) => values.length === 0)) return undefined;
  return {
    name: 'members',
    alternative: 'Lines: tasks handled a second beside a rising number of idle members, for each backend',
    svg: linePanels({
      title: 'Throughput beside idle members',
      subtitle: 'Tasks handled a second by one process, while other members wait with a connection and an agent each.',
      panels: [{ title: '', lines }],
      x: { title: 'idle members', scale: 'points' },
      y: { title: 'tasks a second', scale: 'linear' },
    }),
  };
}

function plotMemory(measurements: readonly Measurement[]): Plot | undefined {
  const figures = ['agents above none', 'server, all waiting'];
  const lines = BACKENDS.map(([target, series]) =>
    conditionLine(measurements, { scenario: 'mailboxes', target, series }, figures),
  );
  if (lines.every(({ values }) => values.length === 0)) return undefined;
  return {
    name: 'memory',
    alternative: 'Lines: memory of all processes against the number of waiting agents, for each backend',
    svg: linePanels({
      title: 'Memory of waiting agents',
      subtitle: 'The server as a whole, and ten processes above their memory without agents.',
      panels: [{ title: '', lines }],
      x: { title: 'waiting agents', scale: 'points' },
      y: { title: 'MB', scale: 'linear' },
    }),
  };
}

/** The sum of some figures at each condition, such as `500 members`. */
function conditionLine(
  measurements: readonly Measurement[],
  { scenario, target, series }: Pick<Measurement, 'scenario'> & { readonly target: string; readonly series: Series },
  names: readonly string[],
): Line {
  const all = measurements.find((one) => one.scenario === scenario && one.target === target)?.figures ?? [];
  const conditions = [...new Set(all.map(({ at }) => at ?? ''))];
  const values = conditions.map((at): LineValue => {
    const parts = all.filter((figure) => figure.at === at && names.includes(figure.name));
    // A backend without a server has no figure for it.
    const known = parts.map((figure) => typical(figure)).filter((value) => !Number.isNaN(value));
    return { x: Number.parseFloat(at), y: known.reduce((sum, value) => sum + value, 0) };
  });
  return { label: target, series, values };
}

/** The condition with the most in flight. */
function conditionOf(measurements: readonly Measurement[], scenario: Measurement['scenario']): string {
  const all = measurements
    .filter((one) => one.scenario === scenario)
    .flatMap(({ figures }) => figures.map(({ at }) => at ?? ''));
  return [...new Set(all)].sort((a, b) => Number.parseFloat(b) - Number.parseFloat(a))[0] ?? '';
}
