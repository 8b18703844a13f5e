/** `busbar pause` and `resume`: stop and start the delivery of queues, for all their consumers. */

import { type Command, defineCommand } from '../command.ts';
import { findQueues, knownName } from '../mail/mailbox.ts';
import { DONE } from '../output/exit-codes.ts';
import type { Session } from '../session.ts';

const NAME_NOTE = 'A name may be that of a durable subscription, too.';

export const pause: Command = defineCommand({
  args: ['QUEUE|AGENT', 'QUEUE|AGENT...'],
  flags: {},
  examples: [['busbar pause build', 'no worker gets a task, until busbar resume build']],
  notes: [NAME_NOTE, 'Messages still enter a paused queue, and consumers settle what they hold.'],
  run: ({ args, session }) => setPaused(args, true, session),
});

export const resume: Command = defineCommand({
  args: ['QUEUE|AGENT', 'QUEUE|AGENT...'],
  flags: {},
  examples: [['busbar resume build', 'workers get tasks again']],
  notes: [NAME_NOTE],
  run: ({ args, session }) => setPaused(args, false, session),
});

async function setPaused(names: readonly string[], paused: boolean, session: Session): Promise<number> {
  const { out, call } = session;
  const { queues } = await session.transport();
  for (const name of names) {
    const [queue] = await findQueues(name, session);
    await queues.configure(queue, { paused }, call);
    await (out.json ? out.jsonLines([{ name: knownName(queue), queue, paused }]) : out.lines([knownName(queue)]));
  }
  return DONE;
}
