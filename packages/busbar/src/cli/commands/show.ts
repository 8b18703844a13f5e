/** `busbar show`: one message, as it is in the store now and as the log recorded it. */

import type { BrowsedMessage } from '@busbar/api/transport';
import type { LogRecord, Trail } from '@busbar/compose';
import { browseStore, findId, readTrails } from '../audit/audit-log.ts';
import { bodyOf, detailOf, exactTime, placeOf, processOf, since } from '../audit/trail-text.ts';
import { type Command, defineCommand } from '../command.ts';
import { formatDuration } from '../input/durations.ts';
import { stateWord } from '../output/browsed-view.ts';
import { DONE } from '../output/exit-codes.ts';
import type { Output } from '../output/output.ts';
import { printableLine } from '../output/printable.ts';
import { paintState } from '../output/states.ts';
import { tableLines } from '../output/table.ts';
import type { Session } from '../session.ts';

/** A message in one queue now. */
interface LiveState {
  readonly queue: string;
  readonly browsed: BrowsedMessage | undefined;
}

export const show: Command = defineCommand({
  args: ['ID'],
  flags: {},
  examples: [
    ['busbar show 4f1c2a9b7d3e', 'state and trail of a message, by the end of its id'],
    ['busbar show ID --json', 'the same, with every field of the records'],
  ],
  notes: ['It needs a bus that is audited: MESSAGE_BUS=audit:?of=redis.'],
  run: async ({ args: [text = ''], session }) => {
    const { out } = session;
    const all = await readTrails(session);
    const id = findId(all, text);
    const trails = all.filter((trail) => trail.id === id);
    const live = await liveStates(id, trails, session);
    if (out.json) await out.jsonLines([{ id, live: live.map(liveJson), records: recordsOf(trails) }]);
    else
      await out.lines([
        ...headLines(id, trails),
        ...live.map((one) => liveLine(one, out)),
        '',
        ...trailLines(trails, session),
      ]);
    return DONE;
  },
});

async function liveStates(id: string, trails: readonly Trail[], session: Session): Promise<LiveState[]> {
  const queues = [...new Set(trails.filter(isStored).flatMap(({ queue }) => queue ?? []))];
  const found = await browseStore(id, queues, session);
  return queues.map((queue, index) => ({ queue, browsed: found[index] }));
}

/** A request on the fast path is in no queue. */
function isStored({ records }: Trail): boolean {
  return records.every(({ action }) => action !== 'called' && action !== 'served');
}

function headLines(id: string, trails: readonly Trail[]): string[] {
  const lines = [`id      ${printableLine(id)}`];
  const sent = trails.find((trail) => trail.sent !== undefined)?.sent;
  if (sent !== undefined) {
    const { from, to, type, causationId, correlationId } = sent;
    if (from !== undefined) lines.push(`from    ${printableLine(from)}`);
    if (to !== undefined) lines.push(`to      ${printableLine(to)}`);
    if (type !== undefined) lines.push(`type    ${printableLine(type)}`);
    if (causationId !== undefined) lines.push(`cause   ${printableLine(causationId)}`);
    if (correlationId !== undefined) lines.push(`thread  ${printableLine(correlationId)}`);
    const body = bodyOf(sent);
    if (body !== '') lines.push(`body    ${printableLine(body)}`);
  }
  return lines;
}

function liveLine({ queue, browsed }: LiveState, out: Output): string {
  const place = `now     ${placeOf({ queue, topic: undefined })}: `;
  if (browsed === undefined) return `${place}not in the store`;
  return [`${place}${paintState(stateWord(browsed), out)}`, ...detailsOf(browsed)].join(', ');
}

function detailsOf(browsed: BrowsedMessage): string[] {
  const { attempts, consumer, leaseLeftMs, delayLeftMs, ttlLeftMs, dead } = browsed;
  const parts: string[] = [];
  if (consumer !== undefined) parts.push(`by ${consumer}`);
  if (attempts > 0) parts.push(`attempt ${attempts}`);
  if (leaseLeftMs !== undefined) parts.push(`lease ends in ${formatDuration(leaseLeftMs)}`);
  if (delayLeftMs !== undefined) parts.push(`due in ${formatDuration(delayLeftMs)}`);
  if (ttlLeftMs !== undefined) parts.push(`expires in ${formatDuration(ttlLeftMs)}`);
  if (dead !== undefined) parts.push(dead.reason);
  return parts.map((part) => printableLine(part));
}

function recordsOf(trails: readonly Trail[]): LogRecord[] {
  return trails.flatMap(({ records }) => records).sort((one, other) => one.at - other.at);
}

function trailLines(trails: readonly Trail[], { out }: Session): string[] {
  const records = recordsOf(trails);
  const start = records[0]?.at ?? 0;
  const rows = records.map((record, index) => [
    index === 0 ? exactTime(record.at) : since(start, record.at),
    record.action,
    trails.length > 1 ? placeOf(record as Pick<Trail, 'queue' | 'topic'>) : '',
    detailOf(record),
    processOf(record.process),
  ]);
  return tableLines(['TIME', 'ACTION', trails.length > 1 ? 'WHERE' : '', 'DETAIL', 'PROCESS'], rows, out);
}

function liveJson({ queue, browsed }: LiveState): unknown {
  if (browsed === undefined) return { queue, state: null };
  const { message: _message, history: _history, ...rest } = browsed;
  return { queue, ...rest, state: stateWord(browsed).toLowerCase() };
}
