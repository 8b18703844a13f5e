/** `busbar rm`: deletes agents, subscriptions and queues. */

import { limitKey } from '@busbar/api/parts';
import { isBusbarError } from '@busbar/api/transport';
import { type Command, defineCommand } from '../command.ts';
import { findQueues, knownName } from '../mail/mailbox.ts';
import { checkEmpty, removeAgent } from '../mail/remove.ts';
import { DONE } from '../output/exit-codes.ts';
import type { Session } from '../session.ts';

/** What was deleted. */
type Kind = 'agent' | 'subscription' | 'queue';

export const rm: Command = defineCommand({
  args: ['QUEUE|AGENT', 'QUEUE|AGENT...'],
  flags: { force: { kind: 'switch', help: 'also an agent that is online, and with messages' } },
  examples: [
    ['busbar rm @old', 'an agent with its inbox'],
    ['busbar rm build --force', 'a queue with its tasks and dead letters'],
  ],
  notes: ['A name may be that of a durable subscription, too. Exit 6 while it has messages or is online.'],
  run: async ({ args, flags: { force }, session }) => {
    const { out } = session;
    for (const name of args) {
      const { kind, known } = await remove(name, force, session);
      await (out.json ? out.jsonLines([{ name: known, kind, removed: true }]) : out.lines([known]));
    }
    return DONE;
  },
});

async function remove(name: string, force: boolean, session: Session): Promise<{ kind: Kind; known: string }> {
  const queues = await findQueues(name, session).catch((error: unknown) => {
    // An agent without an inbox has an identity.
    if (name.startsWith('@') && isBusbarError(error) && error.code === 'NOT_FOUND') return [`$inbox.${name}`];
    throw error;
  });
  const [queue = name, ...others] = queues;
  const known = knownName(queue);
  const kind = queue.startsWith('$inbox.') ? 'agent' : queue.startsWith('$sub.') ? 'subscription' : 'queue';
  if (kind === 'agent') await removeAgent(known, force, session);
  else {
    const { admin, kv } = await session.transport();
    const [info] = await admin.queues({ names: [queue], ...session.call });
    if (!force) checkEmpty(info, `the ${kind} ${known}`);
    await admin.deleteQueue(queue, session.call);
    if (kind === 'queue') await kv.delete(limitKey(queue), session.call);
  }
  for (const other of others) session.out.note(`busbar: ${other} has this name too; it stays`);
  return { kind, known };
}
