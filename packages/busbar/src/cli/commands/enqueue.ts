/** `busbar enqueue`: the same as `busbar task add`. */

import { type Command, defineCommand } from '../command.ts';
import { BODY_NOTE, LINES_NOTE } from '../input/body.ts';
import { MAIL_FLAGS } from '../input/mail-flags.ts';
import { add } from '../tasks/add.ts';
import { ADD_FLAGS } from '../tasks/task-flags.ts';

export const enqueue: Command = defineCommand({
  args: ['QUEUE?', 'BODY?'],
  flags: { ...MAIL_FLAGS, ...ADD_FLAGS },
  examples: [
    [`busbar enqueue build '{"target":"all"}'`, 'prints the id of the task'],
    ['seq 100 | sed \'s/.*/{"body":&}/\' | busbar enqueue build --jsonl', 'a hundred tasks'],
  ],
  notes: [BODY_NOTE, `A line of --jsonl has queue, unless QUEUE is given, and body. ${LINES_NOTE}`],
  run: ({ args, ...invocation }) => add({ ...invocation, args: ['add', ...args] }),
});
