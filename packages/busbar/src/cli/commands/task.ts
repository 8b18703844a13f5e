/** `busbar task`: adds, takes, settles, watches, cancels and lists tasks. */

import { type Command, defineCommand, selectAction } from '../command.ts';
import { BODY_NOTE, LINES_NOTE } from '../input/body.ts';
import { MAIL_FLAGS } from '../input/mail-flags.ts';
import { add, flow } from '../tasks/add.ts';
import { done, extend, fail, progress, take } from '../tasks/held.ts';
import { cancel, ls, result, status } from '../tasks/inspect.ts';
import { ACTION_FLAGS, ADD_FLAGS, FLAGS_OF_ACTIONS, type TaskInvocation } from '../tasks/task-flags.ts';

const ACTIONS: Readonly<Record<string, (invocation: TaskInvocation) => Promise<number>>> = {
  ...{ add, flow, take, done, fail, progress, extend },
  ...{ status, result, cancel, ls },
};

export const task: Command = defineCommand({
  args: ['ACTION', 'QUEUE|ID|RECEIPT?', 'BODY?'],
  actions: Object.keys(ACTIONS),
  flagsOfActions: FLAGS_OF_ACTIONS,
  flags: { ...MAIL_FLAGS, ...ADD_FLAGS, ...ACTION_FLAGS },
  examples: [
    [`busbar task add build '{"target":"all"}'`, 'prints the id of the task'],
    [`busbar task flow '{"queue":"sum","children":[{"queue":"count","body":1}]}'`, 'sum waits for its children'],
    ['busbar task take build --wait --json', 'prints a task with its receipt'],
    [`busbar task progress RECEIPT 50`, 'for those who follow the task; renews the lease'],
    [`busbar task done RECEIPT --result '{"ok":true}'`, 'ends it; the result is kept for an hour'],
    ['busbar task fail RECEIPT --reason "no disk"', 'retried later; with --reject a dead letter'],
    ['busbar task extend RECEIPT', 'renews the lease'],
    ['busbar task status ID', 'READY, DELAYED, WAITING, HELD, DONE, DEAD or CANCELLED'],
    ['busbar task result ID --wait=5m', 'what its handler returned'],
    ['busbar task cancel ID --running', 'without --running only before a worker has it'],
    ['busbar task ls build --state dead', 'waiting, running and dead tasks, or those in one state'],
    ['busbar task ls build --type image --after CURSOR', 'the next page of one type; a note shows its cursor'],
  ],
  notes: [
    BODY_NOTE,
    `A line of --jsonl has queue, unless QUEUE is given, and body. ${LINES_NOTE}`,
    'flow takes JSON: { "queue", "body"?, "children": [{ "queue", "body"?, "options"?, "children"? }], "onChildFailure"?, "checkMs"? }. The task starts when its children have ended.',
    'take exits with 4 if there is no task. done, fail, progress and extend exit with 6 if the lease was lost: stop working on the task.',
    'done, fail and extend read receipts, or the lines of task take --json, from a pipe too.',
    'WAITING is a task of a flow whose children have not ended; ls shows one of those. Counts of queues have it under DELAYED.',
    'Without --wait, result exits with 4 for an unfinished task. A dead task is exit 1.',
  ],
  run: async (invocation) => selectAction(ACTIONS, invocation.args[0])(invocation),
});
