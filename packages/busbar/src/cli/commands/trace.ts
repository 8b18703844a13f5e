/** `busbar trace`: what followed from a message, as a tree with times. */

import type { LogRecord, Trail } from '@busbar/compose';
import { findId, readTrails } from '../audit/audit-log.ts';
import { aboutOf, exactTime, fateOf, placeOf, since } from '../audit/trail-text.ts';
import { type Command, defineCommand } from '../command.ts';
import { formatDuration } from '../input/durations.ts';
import { DONE } from '../output/exit-codes.ts';
import { cutToWidth, printableLine } from '../output/printable.ts';
import { count } from '../output/table.ts';

/** A message with what its handlers sent. */
interface TraceNode {
  readonly trail: Trail;
  readonly waitedMs: number | undefined;
  readonly handledMs: number | undefined;
  readonly consumer: string | undefined;
  /** How many live subscribers got an event. */
  readonly subscribers: number;
  readonly followed: readonly TraceNode[];
}

const MAX_ABOUT = 60;

export const trace: Command = defineCommand({
  args: ['ID'],
  flags: {},
  examples: [
    ['busbar trace 4f1c2a9b7d3e', 'who sent a message, who got it, how long it took, and what followed'],
    ['busbar trace ID --json', 'the same as nested JSON'],
  ],
  notes: [
    'It begins at the first message of the chain. waited: from the send to the last delivery; handled: from there to the end.',
    'It needs a bus that is audited: MESSAGE_BUS=audit:?of=redis.',
  ],
  run: async ({ args: [text = ''], session }) => {
    const { out } = session;
    const all = await readTrails(session);
    const { sentAt } = await import('@busbar/compose');
    const root = rootOf(all, findId(all, text));
    const nodes = childrenOf(all, root, sentAt);
    const start = Math.min(...nodes.map(({ trail }) => sentAt(trail)));
    if (out.json) await out.jsonLines(nodes.map(nodeJson));
    else {
      const lines = nodes.flatMap((node) => nodeLines(node, { start, indent: '', sentAt }));
      await out.lines([`from ${exactTime(start)}`, ...lines].map((line) => cutToWidth(line, out.width)));
    }
    return DONE;
  },
});

type SentAt = (trail: Trail) => number;

/** The first message of the chain that is in the log. */
function rootOf(trails: readonly Trail[], id: string): string {
  const causes = new Map(trails.map(({ id: own, sent }) => [own, sent?.causationId]));
  const seen = new Set<string>();
  let root = id;
  for (
    let cause = causes.get(root);
    cause !== undefined && causes.has(cause) && !seen.has(cause);
    cause = causes.get(root)
  ) {
    seen.add(cause);
    root = cause;
  }
  return root;
}

/** The places of a message, and below them what its handlers sent. An id is shown once. */
function childrenOf(trails: readonly Trail[], root: string, sentAt: SentAt): TraceNode[] {
  const byId = Map.groupBy(trails, ({ id }) => id);
  const effects = Map.groupBy(trails, ({ sent }) => sent?.causationId);
  const seen = new Set<string>();
  const nodesOf = (id: string): TraceNode[] => {
    if (seen.has(id)) return [];
    seen.add(id);
    const ids = [
      ...new Set(
        effects
          .get(id)
          ?.toSorted((one, other) => sentAt(one) - sentAt(other))
          .map((trail) => trail.id),
      ),
    ];
    const followed = ids.flatMap(nodesOf);
    const places = byId.get(id) ?? [];
    return places.map((trail, index) => ({ ...timesOf(trail, sentAt), followed: index === 0 ? followed : [] }));
  };
  return nodesOf(root);
}

function timesOf(trail: Trail, sentAt: SentAt): Omit<TraceNode, 'followed'> {
  const isBegin = ({ action }: LogRecord): boolean => action === 'delivered' || action === 'served';
  const begin = trail.records.findLast(isBegin);
  const isEnd = ({ action, at }: LogRecord): boolean => ENDS.has(action) && at >= (begin?.at ?? 0);
  const end = trail.records.find(isEnd);
  return {
    trail,
    waitedMs: begin && Math.max(0, begin.at - sentAt(trail)),
    handledMs: begin && end && end.at - begin.at,
    consumer: begin?.consumer,
    subscribers: trail.records.filter(({ action }) => action === 'received').length,
  };
}

const ENDS: ReadonlySet<string> = new Set([
  'acked',
  'rejected',
  'retried',
  'released',
  'replied',
  'call-failed',
  'lease-ended',
]);

interface Layout {
  readonly start: number;
  readonly indent: string;
  readonly sentAt: SentAt;
}

function nodeLines(node: TraceNode, layout: Layout): string[] {
  const { trail, waitedMs, handledMs, consumer, subscribers, followed } = node;
  const { start, indent, sentAt } = layout;
  const times = [
    waitedMs === undefined ? '' : `waited ${formatDuration(waitedMs)}`,
    handledMs === undefined ? '' : `handled in ${formatDuration(handledMs)}`,
    consumer === undefined ? '' : `by ${printableLine(consumer)}`,
    subscribers === 0 ? '' : `received by ${count(subscribers, 'live subscriber')}`,
  ];
  return [
    `${since(start, sentAt(trail)).padEnd(8)} ${indent}${placeOf(trail)}  ${aboutOf(trail, MAX_ABOUT)}`,
    `${''.padEnd(8)} ${indent}  ${[fateOf(trail), ...times.filter((text) => text !== '')].join(', ')}`,
    ...followed.flatMap((each) => nodeLines(each, { start, sentAt, indent: `${indent}  ` })),
  ];
}

function nodeJson({ trail, followed, ...times }: TraceNode): unknown {
  const { id, queue, topic, fate, at, attempts, sent } = trail;
  return { id, queue, topic, fate, at, attempts, sent, ...times, followed: followed.map(nodeJson) };
}
