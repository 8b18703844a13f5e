/** `busbar retry`: returns a message to its inbox. */

import { MAX_DURATION_MS } from '@busbar/api/transport';
import { type Command, defineCommand } from '../command.ts';
import { REASON_FLAG, RECEIPT_NOTE, settleAll } from '../mail/settle.ts';

export const retry: Command = defineCommand({
  args: ['RECEIPT...'],
  flags: {
    delay: { kind: 'duration', max: MAX_DURATION_MS, help: 'wait this long before the next delivery (default 0)' },
    reason: REASON_FLAG,
  },
  examples: [
    ['busbar retry RECEIPT --delay 30s', 'deliver it again in 30 seconds'],
    ['busbar retry RECEIPT --reason "disk full"', 'deliver it again now, with a reason in its history'],
  ],
  notes: [RECEIPT_NOTE, 'A message without attempts left becomes a dead letter.'],
  run: ({ args, flags: { delay, reason }, session }) =>
    settleAll(session, args, {
      action: 'retry',
      delayMs: delay,
      reason,
    }),
});
