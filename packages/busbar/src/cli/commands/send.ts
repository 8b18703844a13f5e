/** `busbar send`: sends a message to an agent. */

import type { Recipient, Sent } from '@busbar/api';
import { invalid } from '@busbar/api/transport';
import { type Command, defineCommand, type Invocation } from '../command.ts';
import { BODY_NOTE, readBody } from '../input/body.ts';
import { MAIL_FLAGS, splitRecipient, toMailOptions } from '../input/mail-flags.ts';
import { withShellHint } from '../mail/mailbox.ts';
import { sendWithoutBus } from '../mail/without-bus.ts';
import { DONE } from '../output/exit-codes.ts';

const FLAGS = {
  type: { kind: 'text', value: 'NAME', max: 255, help: 'type of the message (default message)' },
  capability: {
    kind: 'text',
    value: 'NAME',
    max: 255,
    help: 'to one online agent with this capability, instead of TO',
  },
  ...MAIL_FLAGS,
  'create-inbox': { kind: 'switch', help: 'keep it for an agent that is not registered yet, instead of exit 3' },
  text: { kind: 'switch', help: 'BODY is text, even if it parses as JSON' },
  jsonl: { kind: 'switch', help: 'send each line of stdin: { "to", "type"?, "body"?, … }' },
} as const;

type SendInvocation = Invocation<typeof FLAGS>;

export const send: Command = defineCommand({
  args: ['TO?', 'BODY?'],
  flags: FLAGS,
  examples: [
    [`busbar send @reviewer '{"file":"a.ts"}' --type review`, 'prints the id of the message'],
    ['git diff | busbar send @reviewer --type diff --text', 'reads the body from a pipe'],
    ['busbar send --capability review "please look" --ttl 1h', 'to any agent with the capability'],
    ['busbar send --jsonl < messages.jsonl', 'many messages; prints one id per line'],
  ],
  notes: [
    BODY_NOTE,
    'Lines of --jsonl may have to, capability, type, body, id, headers, priority, delayMs, ttlMs, orderingKey, maxAttempts, correlationId, createInbox; flags are the defaults. A bad line is reported by number, the other lines are sent, and the exit code is 2.',
    'The sender is --as, else BUSBAR_AGENT, else @cli.<user>. Exit 3: unknown agent. Exit 5: the inbox is full.',
  ],
  run: (invocation) => (invocation.flags.jsonl ? sendMany(invocation) : sendOne(invocation)),
});

async function sendOne(invocation: SendInvocation): Promise<number> {
  const { args, flags, session } = invocation;
  const { out, signal } = session;
  const [to, argument] = splitRecipient(args, flags.capability);
  const optional = flags.type !== undefined;
  const body = await readBody(argument, { text: flags.text, optional, signal, out });
  const sent = await sendTo(to, body, invocation);
  await (out.json ? out.jsonLines([sent]) : out.lines([sent.id]));
  if (sent.status === 'duplicate') out.note('busbar: duplicate: this message was sent before');
  return DONE;
}

async function sendTo(to: Recipient, body: unknown, { flags, session }: SendInvocation): Promise<Sent> {
  const { key, 'create-inbox': createInbox, type = 'message' } = flags;
  if (createInbox) session.createsBus();
  const fields = { ...toMailOptions(flags), id: key, createInbox };
  if (typeof to === 'string' && flags.attempts === undefined) {
    return sendWithoutBus(session, to, body, { ...fields, type });
  }
  const options = { ...session.call, ...fields };
  return (await session.senderAgent()).send(to, type, body, options).catch((error: unknown) => {
    throw withShellHint(error);
  });
}

async function sendMany({ args, flags, session }: SendInvocation): Promise<number> {
  if (args.length > 0) throw invalid('--jsonl takes no TO and no BODY', 'Each line has its own.');
  if (flags.key !== undefined) throw invalid('--key has no meaning with --jsonl', 'Give each line an id.');
  const { capability, 'create-inbox': createInbox } = flags;
  const defaults = {
    type: flags.type ?? 'message',
    capability,
    options: { ...toMailOptions(flags), createInbox },
  };
  // A line may have createInbox of its own.
  session.createsBus();
  const { sendLines } = await import('../mail/send-lines.ts');
  return sendLines(session, defaults);
}
