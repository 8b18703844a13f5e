/** `busbar send`: sends a message to an agent. */

import type { Recipient, Sent } from '@busbar/api';
import { invalid } from '@busbar/api/transport';
import { type Command, defineCommand, type Invocation } from '../command.ts';
import { BODY_NOTE, LINES_NOTE, readBody } from '../input/body.ts';
import { MAIL_FLAGS, splitRecipient, toMailOptions } from '../input/mail-flags.ts';
import { checkAgent, withShellHint } from '../mail/mailbox.ts';
import { sendWithoutBus } from '../mail/without-bus.ts';
import { DONE } from '../output/exit-codes.ts';

/** Flags that a line may have too. */
const LINE_FLAGS = {
  type: { kind: 'text', value: 'NAME', max: 255, help: 'type of the message (default message)' },
  capability: { kind: 'text', value: 'NAME', max: 255, help: 'to one online agent that has it, instead of TO' },
  ...MAIL_FLAGS,
  'create-inbox': { kind: 'switch', help: 'keep it for an agent that is not registered yet' },
} as const;

const FLAGS = {
  ...LINE_FLAGS,
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
    ['busbar send @a,@b,@c "stop"', 'the same message to several agents'],
    ['busbar send --jsonl < messages.jsonl', 'many messages; prints one id per line'],
  ],
  notes: [
    BODY_NOTE,
    'Of several agents each one that is known gets the message; the exit code is that of the worst error.',
    `A line of --jsonl has to and body, and flags: {"to":"@a","body":1,"ttl":"1h"}. ${LINES_NOTE}`,
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
  if (typeof to === 'string' && to.includes(',')) return sendToAll(to.split(','), body, invocation);
  const sent = await sendTo(to, body, invocation);
  await (out.json ? out.jsonLines([sent]) : out.lines([sent.id]));
  if (sent.status === 'duplicate') out.note('busbar: duplicate: this message was sent before');
  return DONE;
}

/** Sends one message to several agents. The worst error determines the exit code. */
async function sendToAll(names: readonly string[], body: unknown, invocation: SendInvocation): Promise<number> {
  const { out } = invocation.session;
  const { flags } = invocation;
  const { newId } = await import('@busbar/api/transport');
  const all = { ...invocation, flags: { ...flags, key: flags.key ?? newId() } };
  const reached: string[] = [];
  let code = DONE;
  for (const name of new Set(names)) {
    try {
      const sent = await sendTo(name, body, all);
      reached.push(name);
      if (out.json) await out.jsonLines([sent]);
    } catch (error) {
      const { reportFailure } = await import('../output/failure.ts');
      code = Math.max(code, reportFailure(error, out, invocation.session.env));
    }
  }
  if (!out.json && reached.length > 0) await out.lines([all.flags.key]);
  if (code !== DONE && reached.length > 0) out.note(`busbar: sent to ${reached.join(', ')} only`);
  return code;
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
  if (flags.key !== undefined) throw invalid('--key has no meaning with --jsonl', 'Give each line a key.');
  const [{ parseLine }, { runLines }] = await Promise.all([
    import('../lines/line-fields.ts'),
    import('../lines/run-lines.ts'),
  ]);
  return runLines(session, async (line) => {
    const { own, flags: given } = parseLine(line, ['to', 'body'], LINE_FLAGS);
    const { type = 'message', key: id, 'create-inbox': createInbox, ...rest } = { ...flags, ...given };
    const to = toRecipient(own['to'], given.capability ?? (own['to'] === undefined ? flags.capability : undefined));
    if (typeof to === 'string') checkAgent(to);
    if (createInbox) session.createsBus();
    const sender = await session.senderAgent();
    return sender.send(to, type, own['body'], { ...session.call, ...toMailOptions(rest), id, createInbox });
  });
}

function toRecipient(to: unknown, capability: string | undefined): Recipient {
  if (to !== undefined && capability !== undefined) throw invalid('both to and capability', 'Give one of them.');
  if (capability !== undefined) return { capability };
  if (to === undefined) throw invalid('to is missing', 'Name the agent: {"to":"@reviewer", …}.');
  return to as string;
}
