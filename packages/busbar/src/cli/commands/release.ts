/** `busbar release`: returns a message that was not handled. */

import { type Command, defineCommand } from '../command.ts';
import { RECEIPT_NOTE, settleAll } from '../mail/settle.ts';

export const release: Command = defineCommand({
  args: ['RECEIPT...'],
  flags: {},
  examples: [['busbar release RECEIPT', 'another process gets it now, and its attempt does not count']],
  notes: [RECEIPT_NOTE],
  run: ({ args, session }) => settleAll(session, args, { action: 'release' }),
});
