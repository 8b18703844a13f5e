/** `busbar broadcast`: sends a message to all agents. */

import { type Command, defineCommand } from '../command.ts';
import { BODY_NOTE, readBody } from '../input/body.ts';
import { MAIL_FLAGS, toMailOptions } from '../input/mail-flags.ts';
import { DONE, REFUSED } from '../output/exit-codes.ts';
import { count } from '../output/table.ts';

export const broadcast: Command = defineCommand({
  args: ['BODY?'],
  flags: {
    type: { kind: 'text', value: 'NAME', max: 255, help: 'type of the message (default message)' },
    capability: { kind: 'text', value: 'NAME', max: 255, help: 'only to online agents with this capability' },
    self: { kind: 'switch', help: 'also to the agent that sends it' },
    ...MAIL_FLAGS,
    text: { kind: 'switch', help: 'BODY is text, even if it parses as JSON' },
  },
  examples: [
    ['busbar broadcast "main is frozen" --type notice', 'to the inbox of every registered agent'],
    ['busbar broadcast --capability review "who can look?"', 'to every online agent that reviews'],
  ],
  notes: [BODY_NOTE, 'Prints the id, which is the same in every inbox. Exit 5 if there is no such agent.'],
  run: async ({ args: [argument], flags, session }) => {
    const { out, signal, call } = session;
    const { type = 'message', capability, self: includeSelf, key: id, text } = flags;
    const body = await readBody(argument, { text, optional: flags.type !== undefined, signal, out });
    const sender = await session.senderAgent();
    const options = { ...call, ...toMailOptions(flags), id, capability, includeSelf };
    const sent = await sender.broadcast(type, body, options);
    await (out.json ? out.jsonLines([sent]) : out.lines([sent.id]));
    out.note(`busbar: sent to ${count(sent.to.length, 'agent')}`);
    return sent.to.length === 0 ? REFUSED : DONE;
  },
});
