/** `busbar ack`: removes a handled message. */

import { type Command, defineCommand } from '../command.ts';
import { LOST_NOTE, RECEIPT_NOTE, settleAll } from '../mail/settle.ts';

export const ack: Command = defineCommand({
  args: ['RECEIPT...'],
  flags: {},
  examples: [
    ['busbar ack RECEIPT', 'the receipt that recv printed'],
    ['busbar recv @a --json | tee job.json | busbar ack', 'at most once: ack before the work'],
  ],
  notes: [RECEIPT_NOTE, LOST_NOTE],
  run: ({ args, session }) => settleAll(session, args, { action: 'ack' }),
});
