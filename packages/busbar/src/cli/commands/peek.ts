/** `busbar peek`: shows messages without receiving them. */

import type { BrowsedMessage } from '@busbar/api/transport';
import { type Command, defineCommand } from '../command.ts';
import { findQueues } from '../mail/mailbox.ts';
import { BROWSED_HEADINGS, browsedJson, browsedRow } from '../output/browsed-view.ts';
import { DONE, TIMED_OUT } from '../output/exit-codes.ts';
import { decodeBody, valueText } from '../output/message-view.ts';
import { printableBlock } from '../output/printable.ts';
import { ENDED_STATES, STATES_BY_WORD } from '../output/states.ts';
import { tableLines } from '../output/table.ts';
import { waitingParents } from '../tasks/waiting-parents.ts';

export const peek: Command = defineCommand({
  args: ['AGENT|QUEUE'],
  flags: {
    state: {
      kind: 'choice',
      choices: Object.keys(STATES_BY_WORD),
      elsewhere: ENDED_STATES,
      help: 'only messages in this state',
    },
    limit: { kind: 'integer', min: 1, max: 1000, help: 'at most this many (default 10)' },
    full: { kind: 'switch', help: 'the whole bodies, below each message' },
  },
  examples: [
    ['busbar peek @reviewer', 'the next messages of an inbox'],
    ['busbar peek build --state held --json', 'tasks that workers hold'],
  ],
  notes: [
    'It takes no lease: the messages stay as they are. They come in the order of their delivery, dead ones last.',
    'Exit 4: there is none.',
  ],
  run: async ({ args: [name = ''], flags: { state, limit = 10, full }, session }) => {
    const { out, call } = session;
    const [queue] = await findQueues(name, session);
    const { admin } = await session.transport();
    const only = state === undefined ? undefined : STATES_BY_WORD[state];
    const { messages, next } = await admin.browse(queue, { limit, state: only, ...call });
    const awaited = await waitingParents(queue, messages, session);
    if (out.json) await out.jsonLines(messages.map((one) => browsedJson(one, awaited.get(one.message.id))));
    else if (messages.length > 0) {
      const all = messages.map((one) => browsedRow(one, awaited.get(one.message.id)));
      const [heading = '', ...rows] = tableLines(BROWSED_HEADINGS, all, out);
      await out.lines([heading, ...rows.flatMap((row, index) => [row, ...bodyLines(messages[index], full)])]);
    }
    if (next !== undefined) out.note(`busbar: more than ${messages.length}; --limit shows more`);
    if (messages.length > 0) return DONE;
    out.note('busbar: no messages');
    return TIMED_OUT;
  },
});

function bodyLines(browsed: BrowsedMessage | undefined, full: boolean): string[] {
  if (browsed === undefined || !full || browsed.message.body.byteLength === 0) return [];
  return [`  ${printableBlock(valueText(decodeBody(browsed.message)))}`];
}
