/** `busbar extend`: renews a lease. */

import { type Command, defineCommand } from '../command.ts';
import { LOST_NOTE, RECEIPT_NOTE, settleAll } from '../mail/settle.ts';

export const extend: Command = defineCommand({
  args: ['RECEIPT...'],
  flags: {},
  examples: [['busbar extend RECEIPT', "the lease starts again, at the inbox's full length"]],
  notes: [RECEIPT_NOTE, LOST_NOTE, '--json prints how long the lease now lasts.'],
  run: ({ args, session }) => settleAll(session, args, { action: 'extend' }),
});
