/** `busbar top`: the queues and agents with the most to do, again and again. */

import type { BusStats } from '@busbar/api';
import { type Command, defineCommand } from '../command.ts';
import { formatDuration } from '../input/durations.ts';
import { AGENT_HEADINGS, type AgentView, agentRow, agentViews } from '../mail/agent-states.ts';
import { DONE } from '../output/exit-codes.ts';
import { timeOf } from '../output/message-view.ts';
import type { Output } from '../output/output.ts';
import { kindOf, shortName } from '../output/queue-name.ts';
import { queueTable, toRate } from '../output/queue-table.ts';
import { heldCounts } from '../output/states.ts';
import { count, tableLines } from '../output/table.ts';
import { printWatched } from '../output/watch.ts';

type QueueStats = BusStats['queues'][number];

const EVERY_MS = 2_000;
const MOST = 10;

export const top: Command = defineCommand({
  args: [],
  flags: {
    every: { kind: 'duration', min: 200, max: 3_600_000, help: 'time between two looks (default 2s)' },
    once: { kind: 'switch', help: 'look once, over one interval' },
    lines: { kind: 'integer', min: 1, max: 1_000, help: `at most this many queues and agents (default ${MOST})` },
  },
  examples: [
    ['busbar top', 'until Ctrl-C'],
    ['busbar top --once', 'one look, with the rates of 2 s'],
    ['busbar top --json --every 10s', 'an object every 10 s, for other programs'],
  ],
  notes: [
    'Queues with the oldest ready message come first, agents with the most ready messages too.',
    'Rates are per second, between two looks. OLDEST is the age of the oldest ready message.',
  ],
  run: async ({ flags: { every = EVERY_MS, once, lines: most = MOST }, session }) => {
    const { out, call } = session;
    await printWatched(session, once ? undefined : every, async () => {
      const bus = await session.bus();
      const sampleMs = once ? every : undefined;
      const [stats, agents] = await Promise.all([bus.stats({ ...call, sampleMs }), agentViews(session)]);
      const values = [
        { at: new Date(stats.at).toISOString(), ...summaryOf(stats, agents), queues: stats.queues.map(heldCounts) },
      ];
      return { values, lines: () => toLines(stats, agents, most, out) };
    });
    return DONE;
  },
});

function summaryOf({ queues }: BusStats, agents: readonly AgentView[]): Record<string, number> {
  const own = queues.filter(({ name }) => kindOf(name) !== 'internal');
  const sum = (read: (queue: QueueStats) => number): number => own.reduce((all, queue) => all + read(queue), 0);
  return {
    ready: sum(({ ready }) => ready),
    delayed: sum(({ delayed }) => delayed),
    held: sum(({ leased }) => leased),
    dead: sum(({ dead }) => dead),
    expired: sum(({ totals }) => totals.expired),
    sentPerSecond: sum(({ rates }) => rates?.sent ?? 0),
    donePerSecond: sum(({ rates }) => rates?.done ?? 0),
    oldestAgeMs: own.reduce((oldest, { ready, oldestAgeMs }) => Math.max(oldest, ready > 0 ? oldestAgeMs : 0), 0),
    agentsOnline: agents.filter(({ state }) => state === 'online').length,
  };
}

function toLines(stats: BusStats, agents: readonly AgentView[], most: number, out: Output): string[] {
  const total = summaryOf(stats, agents);
  const { ready, held, dead = 0, sentPerSecond, donePerSecond, oldestAgeMs = 0, agentsOnline = 0 } = total;
  const queues = stats.queues
    .filter(({ name }) => kindOf(name) !== 'internal')
    .toSorted((one, other) => urgencyOf(other) - urgencyOf(one) || compare(shortName(one.name), shortName(other.name)));
  const busy = agents.toSorted((one, other) => (other.box?.ready ?? 0) - (one.box?.ready ?? 0));
  const deadText = `${dead} DEAD`;
  return [
    `${out.paint('bold', 'busbar')} ${stats.transport.name}, ${stats.transport.state}, ${timeOf(stats.at)}, ${count(agentsOnline, 'agent')} online`,
    `${ready} READY, ${held} HELD, ${dead > 0 ? out.paint('red', deadText) : deadText}; ${toRate(sentPerSecond)} sent/s, ${toRate(donePerSecond)} done/s; oldest ${formatDuration(oldestAgeMs)}`,
    '',
    ...shortened(queueTable(queues, out), most),
    '',
    ...shortened(tableLines(AGENT_HEADINGS, busy.map(agentRow), out), most),
  ];
}

/** The heading and the first rows. */
function shortened(lines: readonly string[], most: number): string[] {
  const left = lines.length - 1 - most;
  return left > 0 ? [...lines.slice(0, most + 1), `… ${left} more`] : [...lines];
}

function urgencyOf({ ready, leased, oldestAgeMs }: QueueStats): number {
  return ready > 0 ? oldestAgeMs + ready : leased > 0 ? 0.5 : 0;
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
