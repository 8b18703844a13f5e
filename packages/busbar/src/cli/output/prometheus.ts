/** Statistics as text for Prometheus. */

import type { BusStats } from '@busbar/api';
import { kindOf, shortName } from './queue-name.ts';

type QueueStats = BusStats['queues'][number];
type Labels = Readonly<Record<string, string>>;

/** One metric with its samples. */
interface Metric {
  readonly name: string;
  readonly type: 'gauge' | 'counter';
  readonly help: string;
  readonly samples: readonly (readonly [labels: Labels, value: number])[];
}

/** Inboxes count together: a metric with an agent in its labels has no bound. */
const INBOXES = '$inbox';

/** The lines of the exposition format 0.0.4. */
export function prometheusLines(stats: BusStats, online: number): string[] {
  return metricsOf(stats, online)
    .filter(({ samples }) => samples.length > 0)
    .flatMap(({ name, type, help, samples }) => [
      `# HELP ${name} ${help}`,
      `# TYPE ${name} ${type}`,
      ...samples.map(([labels, value]) => `${name}${labelText(labels)} ${value}`),
    ]);
}

function metricsOf({ transport, queues, requests }: BusStats, online: number): Metric[] {
  const groups = [
    ...Map.groupBy(
      queues.filter(({ name }) => kindOf(name) !== 'internal'),
      groupOf,
    ),
  ];
  const each = (read: (queue: QueueStats) => number, merge = sum): Metric['samples'] =>
    groups.map(([group, members]) => [labelsOf(group), merge(members.map(read))]);
  const states = { ready: 'ready', delayed: 'delayed', held: 'leased', dead: 'dead' } as const;
  const messages = Object.entries(states).flatMap(([state, key]) =>
    each((queue) => queue[key]).map(([labels, value]) => [{ ...labels, state }, value] as const),
  );
  const counter = (name: string, help: string, key: keyof QueueStats['totals']): Metric => ({
    ...{ name: `busbar_${name}_total`, type: 'counter', help },
    samples: each(({ totals }) => totals[key]),
  });
  const timings = Object.entries(requests).flatMap(([type, { p50, p99 }]) =>
    [[0.5, p50] as const, [0.99, p99] as const].map(
      ([quantile, ms]) => [{ type, quantile: String(quantile) }, ms / 1_000] as const,
    ),
  );
  return [
    gauge('up', 'Whether the bus is open.', [[{ transport: transport.name }, transport.state === 'open' ? 1 : 0]]),
    gauge('agents_online', 'Agents that a process serves or waits for.', [[{}, online]]),
    gauge('queue_messages', 'Messages by state.', messages),
    gauge(
      'queue_oldest_age_seconds',
      'Age of the oldest ready message.',
      each(
        ({ oldestAgeMs }) => oldestAgeMs / 1_000,
        (values) => Math.max(...values),
      ),
    ),
    counter('sent', 'Messages that were sent.', 'sent'),
    counter('done', 'Messages that were acked.', 'done'),
    counter('expired', 'Messages whose time to live ended.', 'expired'),
    counter('dead_letters', 'Messages that became dead letters.', 'dead'),
    gauge('request_handler_seconds', 'Durations of handlers of online agents.', timings),
  ];
}

function gauge(name: string, help: string, samples: Metric['samples']): Metric {
  return { name: `busbar_${name}`, type: 'gauge', help, samples };
}

function groupOf({ name }: QueueStats): string {
  return kindOf(name) === 'inbox' ? INBOXES : name;
}

function labelsOf(group: string): Labels {
  return { queue: shortName(group), kind: group === INBOXES ? 'inbox' : kindOf(group) };
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}
