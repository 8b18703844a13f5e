/** `busbar purge`: deletes messages of a queue. */

import { type Command, defineCommand } from '../command.ts';
import { findQueues } from '../mail/mailbox.ts';
import { DONE } from '../output/exit-codes.ts';
import { count } from '../output/table.ts';

export const purge: Command = defineCommand({
  args: ['QUEUE|AGENT'],
  flags: {
    state: { kind: 'choice', choices: ['ready', 'delayed', 'dead'], help: 'only these (default ready and delayed)' },
  },
  examples: [
    ['busbar purge build', 'tasks that no worker has started'],
    ['busbar purge @bob --state dead', 'dead letters of an inbox'],
  ],
  notes: ['A name may be that of a durable subscription, too. Messages that a consumer holds stay.'],
  run: async ({ args: [name = ''], flags: { state }, session }) => {
    const { out, call } = session;
    const [queue] = await findQueues(name, session);
    const { admin } = await session.transport();
    let amount = 0;
    for (const one of state === undefined ? (['ready', 'delayed'] as const) : [state as 'ready' | 'delayed' | 'dead'])
      amount += await admin.purge(queue, { state: one, ...call });
    await (out.json ? out.jsonLines([{ count: amount }]) : out.lines([`${count(amount, 'message')} deleted`]));
    return DONE;
  },
});
