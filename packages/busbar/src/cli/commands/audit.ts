/** `busbar audit`: lists messages with their last known fate, and what is missing in the log. */

import { checkPattern, matchTopic } from '@busbar/api/transport';
import type { LogContents, LogGap, Trail } from '@busbar/compose';
import { concerns, readAuditLog } from '../audit/audit-log.ts';
import { aboutOf, fateOf, gapLines, placeOf, shortId } from '../audit/trail-text.ts';
import { type Command, defineCommand, type Invocation } from '../command.ts';
import { parseTime } from '../input/times.ts';
import { DONE } from '../output/exit-codes.ts';
import { timeOf } from '../output/message-view.ts';
import { count, tableLines } from '../output/table.ts';

const FLAGS = {
  agent: { kind: 'text', value: 'AGENT', help: 'only messages that it sent or got' },
  queue: { kind: 'text', value: 'QUEUE', help: 'only messages of this queue' },
  topic: { kind: 'text', value: 'PATTERN', help: 'only events of these topics' },
  since: { kind: 'text', value: 'TIME', help: 'from when on: 10m (ago), or a date and time (default 1h)' },
  grep: { kind: 'text', value: 'TEXT', help: 'only messages whose id, type, body or reasons have this text' },
  limit: { kind: 'integer', min: 1, max: 100_000, help: 'at most this many, the latest (default 1,000)' },
} as const;

type AuditFlags = Invocation<typeof FLAGS>['flags'];

const HOUR = '1h';
const LIMIT = 1_000;

export const audit: Command = defineCommand({
  args: [],
  flags: FLAGS,
  examples: [
    ['busbar audit', 'messages of the last hour, each with its last known fate'],
    ['busbar audit --agent @worker --since 1d', 'what an agent sent and got today'],
    [`busbar audit --grep 'timed out' --json`, 'messages with this text, as JSON lines with all records'],
  ],
  notes: [
    'It needs a bus that is audited: MESSAGE_BUS=audit:?of=redis. The log may be read while the bus is away.',
    'The end of an id (…4f1c2a9b7d3e) is enough for show, thread and trace.',
  ],
  run: async ({ flags, session }) => {
    const { out } = session;
    if (flags.topic !== undefined) checkPattern(flags.topic);
    const time = parseTime(flags.since ?? HOUR, '--since');
    const [contents, { trailsOf }] = [await readAuditLog(session, { from: { time } }), await import('@busbar/compose')];
    const found = trailsOf(contents.records).filter((trail) => isWanted(trail, flags));
    const shown = found.slice(-(flags.limit ?? LIMIT));
    if (out.json) await out.jsonLines([...shown.map(toJson), ...contents.gaps.map((gap) => ({ gap: gapJson(gap) }))]);
    else {
      const headings = ['TIME', 'FATE', 'WHERE', '!ID', 'MESSAGE'];
      if (shown.length > 0) await out.lines(tableLines(headings, shown.map(toRow), out));
      await out.lines(contents.gaps.flatMap(gapLines));
    }
    out.note(`busbar: ${summary(found, contents)}`);
    if (shown.length < found.length) out.note(`busbar: the last ${shown.length} are shown; --limit shows more`);
    return DONE;
  },
});

function isWanted(trail: Trail, { agent, queue, topic, grep }: AuditFlags): boolean {
  if (queue !== undefined && trail.queue !== queue) return false;
  if (topic !== undefined && (trail.topic === undefined || !matchTopic(topic, trail.topic))) return false;
  if (agent !== undefined && !trail.records.some((record) => concerns(record, agent))) return false;
  return grep === undefined || has(trail, grep.toLowerCase());
}

function has({ id, records }: Trail, text: string): boolean {
  const texts = [id, ...records.flatMap(({ type, body, reason }) => [type, body, reason])];
  return texts.some((each) => each?.toLowerCase().includes(text));
}

function toRow(trail: Trail): string[] {
  return [timeOf(trail.at), fateOf(trail), placeOf(trail), shortId(trail.id), aboutOf(trail, 200)];
}

function toJson({ id, queue, topic, fate, at, attempts, records }: Trail): unknown {
  return {
    ...{ id, queue, topic, fate, at: new Date(at).toISOString(), attempts },
    records: records.map((record) => ({ ...record, at: new Date(record.at).toISOString() })),
  };
}

function gapJson({ after, before, ...gap }: LogGap): unknown {
  return {
    ...gap,
    after: new Date(after).toISOString(),
    ...(before !== undefined && { before: new Date(before).toISOString() }),
  };
}

/** How many messages have which fate, and how much is missing. */
function summary(trails: readonly Trail[], { gaps }: LogContents): string {
  const fates = [...Map.groupBy(trails, ({ fate }) => fate)].map(([fate, of]) => `${of.length} ${fate}`);
  const missing = gaps.reduce((sum, { count: amount = 0 }) => sum + amount, 0);
  const gapText = gaps.length === 0 ? 'no gaps' : `${count(gaps.length, 'gap')} with ${missing} known missing records`;
  return `${count(trails.length, 'message')}${fates.length === 0 ? '' : ` (${fates.join(', ')})`}, ${gapText}`;
}
