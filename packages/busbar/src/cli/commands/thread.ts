/** `busbar thread`: the conversation around a message, in the order of time. */

import type { Trail } from '@busbar/compose';
import { findId, readTrails } from '../audit/audit-log.ts';
import { aboutOf, exactTime, fateOf, placeOf, shortId, since } from '../audit/trail-text.ts';
import { type Command, defineCommand } from '../command.ts';
import { DONE } from '../output/exit-codes.ts';
import { tableLines } from '../output/table.ts';

export const thread: Command = defineCommand({
  args: ['ID'],
  flags: {},
  examples: [
    ['busbar thread 4f1c2a9b7d3e', 'all messages that a message led to, and those that led to it'],
    ['busbar thread ID --json', 'the same as JSON lines'],
  ],
  notes: [
    'Messages belong together by their correlation id, and by the message whose handler sent them.',
    'It needs a bus that is audited: MESSAGE_BUS=audit:?of=redis.',
  ],
  run: async ({ args: [text = ''], session }) => {
    const { out } = session;
    const all = await readTrails(session);
    const { sentAt, threadOf } = await import('@busbar/compose');
    const trails = threadOf(all, findId(all, text));
    const start = trails[0] === undefined ? 0 : sentAt(trails[0]);
    const toRow = (trail: Trail, index: number): string[] => [
      index === 0 ? exactTime(start) : since(start, sentAt(trail)),
      shortId(trail.id),
      placeOf(trail),
      fateOf(trail),
      aboutOf(trail, 200),
    ];
    if (out.json) await out.jsonLines(trails.map(({ sent, records: _records, ...trail }) => ({ ...trail, sent })));
    else await out.lines(tableLines(['TIME', '!ID', 'WHERE', 'FATE', 'MESSAGE'], trails.map(toRow), out));
    return DONE;
  },
});
