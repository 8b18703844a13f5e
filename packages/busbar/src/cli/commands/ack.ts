/** `busbar ack`: a message is handled. */

import { type Command, defineCommand } from '../command.ts';
import { RECEIPT_NOTE, settleAll } from '../mail/settling.ts';

export const ack: Command = defineCommand({
  args: ['RECEIPT...'],
  flags: {},
  examples: [
    ['busbar ack RECEIPT', 'as recv printed it: the message is gone'],
    ['busbar recv @a --json | tee job.json | busbar ack', 'take it at most once'],
  ],
  notes: [RECEIPT_NOTE, 'Exit 6 where a lease was lost: the message went, or will go, to another.'],
  run: ({ args, session }) => settleAll(session, args, { action: 'ack' }),
});
