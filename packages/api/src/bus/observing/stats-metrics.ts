/** Statistics as metrics, and as text for Prometheus. */

import { mergeTiming, type Timing } from '../histogram.ts';
import type { BusStats, QueueStats } from '../stats.ts';

/**
 * The labels of one sample. They have no names of agents and no queues of requests. They name up to 100 queues of tasks, durable
 * subscriptions and types of requests, the first by name; the others count together as `_other`.
 */
export type MetricLabels = Readonly<Record<string, string>>;

/** One metric of a bus. Times are in seconds. */
export interface Metric {
  /** Such as `busbar_queue_messages`. */
  readonly name: string;
  readonly type: 'gauge' | 'counter';
  readonly help: string;
  readonly samples: readonly (readonly [labels: MetricLabels, value: number])[];
}

/** What the labels of a queue are made of. */
interface QueueLabels {
  readonly queue: string;
  readonly kind: 'tasks' | 'subscription' | 'inbox';
}

/** Inboxes count together: a metric with an agent in its labels has no bound. */
const INBOXES: QueueLabels = { queue: '$inbox', kind: 'inbox' };
const SUBSCRIPTION = '$sub.';
/** The most names in one label. */
const MAX_NAMES = 100;
const OTHER = '_other';

/** `stats` as metrics. Those without a sample are left out. */
export function toMetrics(stats: BusStats): Metric[] {
  return [...busMetrics(stats), ...queueMetrics(stats.queues)].filter(({ samples }) => samples.length > 0);
}

/** `stats` in the exposition format 0.0.4 of Prometheus, for the answer to a scrape. */
export function toPrometheusText(stats: BusStats): string {
  const lines = toMetrics(stats).flatMap(({ name, type, help, samples }) => [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} ${type}`,
    ...samples.map(([labels, value]) => `${name}${labelText(labels)} ${value}`),
  ]);
  return lines.map((line) => `${line}\n`).join('');
}

function busMetrics({ transport, requests, agents }: BusStats): Metric[] {
  const timings = boundedTimings(requests).flatMap(([type, { p50, p99 }]) =>
    [[0.5, p50] as const, [0.99, p99] as const].map(
      ([quantile, ms]) => [{ type, quantile: String(quantile) }, ms / 1_000] as const,
    ),
  );
  return [
    gauge('up', 'Whether the bus is open.', [[{ transport: transport.name }, transport.state === 'open' ? 1 : 0]]),
    gauge('agents_online', 'Agents that are online.', [[{}, agents.length]]),
    gauge('request_handler_seconds', 'Durations of handlers of online agents.', timings),
  ];
}

function queueMetrics(queues: readonly QueueStats[]): Metric[] {
  const groups = toGroups(queues);
  const each = (read: (queue: QueueStats) => number, merge = sum): Metric['samples'] =>
    groups.map(({ labels, members }) => [labels, merge(members.map(read))]);
  const states = { ready: 'ready', delayed: 'delayed', held: 'leased', dead: 'dead' } as const;
  const messages = Object.entries(states).flatMap(([state, key]) =>
    each((queue) => queue[key]).map(([labels, value]) => [{ ...labels, state }, value] as const),
  );
  const ages = each(
    ({ oldestAgeMs }) => oldestAgeMs / 1_000,
    (values) => Math.max(...values),
  );
  const counter = (name: string, help: string, key: keyof QueueStats['totals']): Metric => ({
    ...{ name: `busbar_${name}_total`, type: 'counter', help },
    samples: each(({ totals }) => totals[key]),
  });
  return [
    gauge('queue_messages', 'Messages by state.', messages),
    gauge('queue_oldest_age_seconds', 'Age of the oldest ready message.', ages),
    counter('sent', 'Messages that were sent.', 'sent'),
    counter('done', 'Messages that were acked.', 'done'),
    counter('expired', 'Messages whose time to live ended.', 'expired'),
    counter('dead_letters', 'Messages that became dead letters.', 'dead'),
  ];
}

/** Queues with the same labels count together. */
function toGroups(
  queues: readonly QueueStats[],
): { readonly labels: MetricLabels; readonly members: readonly QueueStats[] }[] {
  const all = queues.flatMap((stats) => {
    const labels = labelsOf(stats.name);
    return labels === undefined ? [] : [{ ...labels, stats }];
  });
  return [...Map.groupBy(all, ({ kind }) => kind)].flatMap(([kind, ofKind]) => {
    const labelOf = bounded(ofKind.map(({ queue }) => queue));
    const groups = Map.groupBy(ofKind, ({ queue }) => labelOf(queue));
    return [...groups].map(([queue, group]) => ({ labels: { queue, kind }, members: group.map(({ stats }) => stats) }));
  });
}

function boundedTimings(timings: Readonly<Record<string, Timing>>): [type: string, timing: Timing][] {
  const labelOf = bounded(Object.keys(timings));
  const groups = Map.groupBy(Object.entries(timings), ([type]) => labelOf(type));
  return [...groups].map(([type, group]) => [type, group.map(([, timing]) => timing).reduce(mergeTiming)]);
}

/** The label of each name: the first names have their own. */
function bounded(names: readonly string[]): (name: string) => string {
  const kept = new Set([...new Set(names)].sort().slice(0, MAX_NAMES));
  return (name) => (kept.has(name) ? name : OTHER);
}

/** Undefined for a queue of the bus itself. */
function labelsOf(queue: string): QueueLabels | undefined {
  if (queue.startsWith('$inbox.')) return INBOXES;
  if (queue.startsWith(SUBSCRIPTION)) return { queue: queue.slice(SUBSCRIPTION.length), kind: 'subscription' };
  return queue.startsWith('$') ? undefined : { queue, kind: 'tasks' };
}

function gauge(name: string, help: string, samples: Metric['samples']): Metric {
  return { name: `busbar_${name}`, type: 'gauge', help, samples };
}

function labelText(labels: MetricLabels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}
