/** `busbar stats`: counts and rates of queues, requests and agents. */

import type { BusStats } from '@busbar/api';
import { type Command, defineCommand } from '../command.ts';
import { formatDuration } from '../input/durations.ts';
import { DONE } from '../output/exit-codes.ts';
import type { Output } from '../output/output.ts';
import { count, tableLines } from '../output/table.ts';

type QueueStats = BusStats['queues'][number];

export const stats: Command = defineCommand({
  args: [],
  flags: {
    sample: { kind: 'duration', min: 10, max: 60_000, help: 'measure rates over this time' },
    all: { kind: 'switch', help: 'show internal queues too' },
  },
  examples: [
    ['busbar stats', 'queues, inboxes, subscriptions'],
    ['busbar stats --sample 1s --json', 'with rates, as one JSON object'],
  ],
  notes: ['OLDEST is the age of the oldest ready message. Rates are per second.'],
  run: async ({ flags, session }) => {
    const { out, call } = session;
    const bus = await session.bus();
    const measured = await bus.stats({ ...call, sampleMs: flags.sample });
    if (out.json) await out.jsonLines([{ ...measured, at: new Date(measured.at).toISOString() }]);
    else await out.lines(toText(measured, flags.all, out));
    return DONE;
  },
});

function toText({ transport, queues, requests, agents }: BusStats, all: boolean, out: Output): string[] {
  const shown = queues.filter(({ name }) => all || kindOf(name) !== 'internal');
  const online = agents.reduce((sum, { instances }) => sum + instances, 0);
  const lines = [
    `${transport.name}, ${transport.state}: ${count(shown.length, 'queue')}, ${count(online, 'agent')} online`,
  ];
  if (shown.length > 0) lines.push('', ...queueTable(shown, out));
  const types = Object.entries(requests);
  if (types.length > 0) {
    const rows = types.map(([type, { count: times, p50, p99 }]) => [
      type,
      String(times),
      formatDuration(p50),
      formatDuration(p99),
    ]);
    lines.push('', ...tableLines(['REQUEST', '#COUNT', '#P50', '#P99'], rows, out));
  }
  if (agents.length > 0) {
    const rows = agents.map(({ name, load, limit, instances }) => [name, `${load}/${limit}`, String(instances)]);
    lines.push('', ...tableLines(['AGENT', '#LOAD', '#INSTANCES'], rows, out));
  }
  return lines;
}

function queueTable(queues: readonly QueueStats[], out: Output): string[] {
  const hasRates = queues.some(({ rates }) => rates !== undefined);
  const headings = ['QUEUE', 'KIND', '#READY', '#DELAYED', '#HELD', '#DEAD', '#OLDEST', '#SENT', '#DONE'];
  const rows = queues.map(({ name, ready, delayed, leased, dead, oldestAgeMs, totals, rates }) => [
    shortName(name),
    kindOf(name),
    ...[ready, delayed, leased, dead].map(String),
    ready === 0 ? '-' : formatDuration(oldestAgeMs),
    ...[totals.sent, totals.done].map(String),
    ...(rates === undefined ? [] : [toRate(rates.sent), toRate(rates.done)]),
  ]);
  return tableLines(hasRates ? [...headings, '#SENT/S', '#DONE/S'] : headings, rows, out);
}

function kindOf(name: string): 'inbox' | 'subscription' | 'internal' | 'tasks' {
  if (name.startsWith('$inbox.')) return 'inbox';
  if (name.startsWith('$sub.')) return 'subscription';
  return name.startsWith('$') ? 'internal' : 'tasks';
}

function shortName(name: string): string {
  return name.replace(/^\$(inbox|sub)\./, '');
}

function toRate(perSecond: number): string {
  return perSecond >= 10 || perSecond === 0 ? perSecond.toFixed(0) : perSecond.toFixed(1);
}
