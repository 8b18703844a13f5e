/** `busbar forget`: deletes agents with their mailboxes. */

import { type Command, defineCommand } from '../command.ts';
import { removeAgent } from '../mail/remove.ts';
import { DONE } from '../output/exit-codes.ts';

export const forget: Command = defineCommand({
  args: ['NAME', 'NAME...'],
  flags: { force: { kind: 'switch', help: 'also while it is online, and with the messages in its inbox' } },
  examples: [
    ['busbar forget @typo', 'an agent, or an inbox that send --create-inbox made'],
    ['busbar forget @old --force', 'with all messages and dead letters in its inbox'],
  ],
  notes: ['Deletes the identity, the inbox and the log. Exit 6 while the agent is online or its inbox has messages.'],
  run: async ({ args, flags: { force }, session }) => {
    const { out } = session;
    for (const name of args) {
      await removeAgent(name, force, session);
      await (out.json ? out.jsonLines([{ name, forgotten: true }]) : out.lines([name]));
    }
    return DONE;
  },
});
