/** `busbar nack`: a message goes back, or to the dead letters. */

import { invalid, MAX_DURATION_MS } from '@busbar/api/transport';
import { type Command, defineCommand } from '../command.ts';
import { RECEIPT_NOTE, settleAll } from '../mail/settling.ts';

export const nack: Command = defineCommand({
  args: ['RECEIPT...'],
  flags: {
    delay: { kind: 'duration', max: MAX_DURATION_MS, help: 'not before this time has passed (default at once)' },
    reason: { kind: 'text', max: 4_096, help: 'kept in the history of the message' },
    reject: { kind: 'switch', help: 'never again: to the dead letters' },
    release: { kind: 'switch', help: 'not started: back at once, the attempt uncounted' },
  },
  examples: [
    ['busbar nack RECEIPT --delay 30s', 'try again in half a minute'],
    ['busbar nack RECEIPT --reject --reason "no such file"', 'to the dead letters'],
  ],
  notes: [RECEIPT_NOTE, 'The last attempt of a message ends in the dead letters too.'],
  run: ({ args, flags, session }) => {
    const { delay, reason, reject, release } = flags;
    if (reject && release) throw invalid('--reject and --release exclude each other', 'Use one of them.');
    if ((reject || release) && delay !== undefined) {
      throw invalid(`--delay means nothing with --${reject ? 'reject' : 'release'}`, 'Leave one of them out.');
    }
    if (release && reason !== undefined) throw invalid('--reason means nothing with --release', 'Leave it out.');
    const because = reason === undefined ? {} : { reason };
    if (release) return settleAll(session, args, { action: 'release' });
    if (reject) return settleAll(session, args, { action: 'reject', ...because });
    return settleAll(session, args, {
      action: 'retry',
      ...(delay === undefined ? {} : { delayMs: delay }),
      ...because,
    });
  },
});
