/** `busbar reject`: makes a message a dead letter. */

import { type Command, defineCommand } from '../command.ts';
import { REASON_FLAG, RECEIPT_NOTE, settleAll } from '../mail/settle.ts';

export const reject: Command = defineCommand({
  args: ['RECEIPT...'],
  flags: { reason: REASON_FLAG },
  examples: [['busbar reject RECEIPT --reason "no such file"', 'a dead letter, whatever attempts it has left']],
  notes: [RECEIPT_NOTE, 'busbar dead lists dead letters, puts them back and deletes them.'],
  run: ({ args, flags: { reason }, session }) => settleAll(session, args, { action: 'reject', reason }),
});
