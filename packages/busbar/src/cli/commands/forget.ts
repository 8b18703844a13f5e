/** `busbar forget`: deletes agents with their mailboxes. */

import { BusbarError, isBusbarError } from '@busbar/api/transport';
import { type Command, defineCommand } from '../command.ts';
import { checkAgent, findMailbox, guessAgent } from '../mail/mailbox.ts';
import { DONE } from '../output/exit-codes.ts';
import { count } from '../output/table.ts';
import { notFound, type Session } from '../session.ts';

const SHELL_HINT = 'End it, or use --force. An agent in a shell goes offline 10 s after its last command.';

export const forget: Command = defineCommand({
  args: ['NAME...'],
  flags: { force: { kind: 'switch', help: 'also while it is online, and with the messages in its inbox' } },
  examples: [
    ['busbar forget @typo', 'an agent, or an inbox that send --create-inbox made'],
    ['busbar forget @old --force', 'with all messages and dead letters in its inbox'],
  ],
  notes: ['Deletes the identity, the inbox and the log. Exit 6 while the agent is online or its inbox has messages.'],
  run: async ({ args, flags: { force }, session }) => {
    const { out } = session;
    for (const name of args) {
      checkAgent(name);
      if (!force) await checkEmpty(name, session);
      const bus = await session.bus();
      const existed = await bus.forgetAgent(name, { force }).catch((error: unknown) => {
        throw isBusbarError(error) && error.code === 'CONFLICT' ? isOnline(error) : error;
      });
      if (!existed) {
        throw notFound('agent', name, `${await guessAgent(name, session)}busbar agents lists all agents and inboxes.`);
      }
      await (out.json ? out.jsonLines([{ name, forgotten: true }]) : out.lines([name]));
    }
    return DONE;
  },
});

async function checkEmpty(name: string, session: Session): Promise<void> {
  const box = await findMailbox(name, session);
  if (box === undefined) return;
  const { ready, delayed, leased, dead } = box;
  const pending = ready + delayed + leased;
  if (pending + dead === 0) return;
  const contents = [pending > 0 ? count(pending, 'message') : '', dead > 0 ? count(dead, 'dead letter') : ''];
  throw new BusbarError(
    'CONFLICT',
    `the inbox of ${name} has ${contents.filter((text) => text !== '').join(' and ')}`,
    {
      hint: `busbar task list ${name} shows them; --force deletes them.`,
    },
  );
}

function isOnline({ message, cause }: BusbarError): BusbarError {
  return new BusbarError('CONFLICT', message, { hint: SHELL_HINT, cause });
}
