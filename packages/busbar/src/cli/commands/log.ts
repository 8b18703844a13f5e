/** `busbar log`: writes a line to the log of an agent. */

import { checkOneOf, invalid } from '@busbar/api/transport';
import { type Command, defineCommand } from '../command.ts';
import { readBody } from '../input/body.ts';
import { addLine } from '../mail/agent-log.ts';
import { requireMailbox } from '../mail/mailbox.ts';
import { DONE } from '../output/exit-codes.ts';

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;
const MAX_TEXT = 2_000;

export const log: Command = defineCommand({
  args: ['LEVEL', 'TEXT?'],
  flags: {},
  examples: [
    ['busbar log info "tests pass" --as @worker', 'a line that busbar logs @worker shows'],
    ['make 2>&1 | tail -1 | BUSBAR_AGENT=@worker busbar log warn', 'reads the line from a pipe'],
  ],
  notes: ['LEVEL is debug, info, warn or error. The last 100 lines of an agent are kept for a day.'],
  run: async ({ args: [level = '', argument], session }) => {
    const { out, signal } = session;
    checkOneOf(level, 'LEVEL', LEVELS);
    const agent = session.inboxOwner(undefined);
    const text = (await readBody(argument, { text: true, optional: false, signal, out })) as string;
    if (text.trim() === '') throw invalid('TEXT is empty', 'Write busbar log info "tests pass".');
    await requireMailbox(agent, session);
    const at = Date.now();
    const line = {
      at,
      level: level as (typeof LEVELS)[number],
      text: text.trimEnd().slice(0, MAX_TEXT).toWellFormed(),
    };
    await addLine(await session.transport(), agent, line);
    if (out.json) await out.jsonLines([{ agent, ...line, at: new Date(at).toISOString() }]);
    return DONE;
  },
});
