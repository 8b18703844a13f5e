/** `busbar extend`: a lease begins anew. */

import { type Command, defineCommand } from '../command.ts';
import { RECEIPT_NOTE, settleAll } from '../mail/settling.ts';

export const extend: Command = defineCommand({
  args: ['RECEIPT...'],
  flags: {},
  examples: [['busbar extend RECEIPT', 'the lease begins anew, as long as the inbox has them']],
  notes: [RECEIPT_NOTE, 'Exit 6 where the lease was lost: stop working on it. --json says how long it lasts now.'],
  run: ({ args, session }) => settleAll(session, args, { action: 'extend' }),
});
