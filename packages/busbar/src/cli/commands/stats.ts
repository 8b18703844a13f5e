/** `busbar stats`: counts and rates of queues, requests and agents. */

import { type BusStats, toPrometheusText } from '@busbar/api';
import { invalid } from '@busbar/api/transport';
import { type Command, defineCommand } from '../command.ts';
import { formatDuration } from '../input/durations.ts';
import { type AgentView, agentViews } from '../mail/agent-states.ts';
import { hasProcess } from '../mail/presence.ts';
import { DONE } from '../output/exit-codes.ts';
import type { Output } from '../output/output.ts';
import { kindOf } from '../output/queue-name.ts';
import { queueTable } from '../output/queue-table.ts';
import { heldCounts } from '../output/states.ts';
import { count, tableLines } from '../output/table.ts';
import { printWatched, WATCH_FLAG } from '../output/watch.ts';

export const stats: Command = defineCommand({
  args: [],
  flags: {
    sample: { kind: 'duration', min: 10, max: 60_000, help: 'measure rates over this time' },
    all: { kind: 'switch', help: 'show internal queues too' },
    prometheus: { kind: 'switch', help: 'metrics as Prometheus reads them' },
    ...WATCH_FLAG,
  },
  examples: [
    ['busbar stats', 'queues, inboxes, subscriptions'],
    ['busbar stats --sample 1s --json', 'with rates, as one JSON object'],
    ['busbar stats --prometheus > busbar.prom', 'for the textfile collector of a node exporter'],
  ],
  notes: [
    'READY, DELAYED and HELD count what a queue has now. DONE, EXPIRED and SENT count since it was created. OLDEST is the age of the oldest ready message. Rates are per second.',
    '--prometheus adds up all inboxes, so that agents make no series of their own. Queues, durable subscriptions and types beyond 100 of each, in order of name, count together as _other.',
  ],
  run: async ({ flags: { sample, all, prometheus, watch }, session }) => {
    const { out, call } = session;
    if (prometheus && (out.json || watch !== undefined))
      throw invalid('--prometheus excludes --json and --watch', 'Leave them out.');
    await printWatched(session, watch, async () => {
      const bus = await session.bus();
      const [measured, views] = await Promise.all([bus.stats({ ...call, sampleMs: sample }), agentViews(session)]);
      const found: BusStats = { ...measured, agents: onlineAgents(views) };
      const lines = (): string[] =>
        prometheus ? toPrometheusText(found).trimEnd().split('\n') : toText(found, all, out);
      return { values: [toJson(found)], lines };
    });
    return DONE;
  },
});

/** An agent without a process, such as one of `register`, is not online. */
function onlineAgents(views: readonly AgentView[]): BusStats['agents'] {
  const online = views.filter(({ state }) => state === 'online');
  return online.map(({ info: { name, load, limit, instances } }) => ({
    ...{ name, load, limit },
    instances: instances.filter(hasProcess).length,
  }));
}

function toJson(found: BusStats): Record<string, unknown> {
  return { ...found, at: new Date(found.at).toISOString(), queues: found.queues.map(heldCounts) };
}

function toText({ transport, queues, requests, agents }: BusStats, all: boolean, out: Output): string[] {
  const shown = queues.filter(({ name }) => all || kindOf(name) !== 'internal');
  const lines = [
    `${transport.name}, ${transport.state}: ${count(shown.length, 'queue')}, ${count(agents.length, 'agent')} online`,
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
    lines.push('', ...tableLines(['!AGENT', '#LOAD', '#INSTANCES'], rows, out));
  }
  return lines;
}
