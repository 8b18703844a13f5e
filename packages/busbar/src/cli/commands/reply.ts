/** `busbar reply`: responds to a received request, or writes back to the sender of a message. */

import { type BusbarError, invalid, isBusbarError, type Message } from '@busbar/api/transport';
import { type Command, defineCommand } from '../command.ts';
import { BODY_NOTE, readBody } from '../input/body.ts';
import { findMail, requireMailbox } from '../mail/mailbox.ts';
import { sendWithoutBus } from '../mail/without-bus.ts';
import { DONE } from '../output/exit-codes.ts';
import { quoteForShell } from '../output/printable.ts';
import { notFound, type Session } from '../session.ts';
import { settleAll } from './settle.ts';

const FLAGS = {
  ack: { kind: 'text', value: 'RECEIPT', max: 512, help: 'ack the request after the response' },
  failed: { kind: 'switch', help: 'respond with an error; BODY is its message' },
  type: { kind: 'text', value: 'NAME', max: 255, help: 'type, if it was no request (default reply)' },
  text: { kind: 'switch', help: 'BODY is text, even if it parses as JSON' },
  to: { kind: 'text', value: 'AGENT', max: 240, help: 'the agent to write to, also after the ack' },
  correlation: { kind: 'text', value: 'ID', max: 512, help: 'with --to: the thread (default that of ID, else ID)' },
} as const;

export const reply: Command = defineCommand({
  args: ['ID', 'BODY?'],
  flags: FLAGS,
  examples: [
    [`busbar reply ID '{"valid":true}' --as @auth`, 'the id that recv printed'],
    ['busbar reply ID "it is done" --to @boss --as @me', 'the message was acked before'],
    ['busbar reply ID "no such file" --failed --ack RECEIPT', 'responds with an error, then acks the request'],
  ],
  notes: [
    'The message must still be in the inbox of --as or BUSBAR_AGENT, so reply before you ack. With --to it may be gone; a request is then over.',
    'A request gets a response. For another message its sender gets one of the same thread: its correlation is that of the message, else its id.',
    BODY_NOTE,
  ],
  run: async ({ args: [id = '', argument], flags, session }) => {
    const { out, signal } = session;
    const { to, correlation } = flags;
    if (to === undefined && correlation !== undefined)
      throw invalid('--correlation needs --to', 'A message in the inbox has its thread.');
    const agent = session.inboxOwner(undefined);
    const body = await readBody(argument, { text: flags.text, optional: true, signal, out });
    const message: Replied =
      to === undefined ? await requireMail(agent, id, session) : await findReplied(agent, id, session);
    const isRequest = message.replyTo !== undefined;
    if (!isRequest && flags.failed) throw invalid('this message is not a request', 'Leave out --failed.');
    if (isRequest && flags.type !== undefined) throw invalid('a response has no type', 'Leave out --type.');
    if (isRequest && to !== undefined)
      throw invalid('this message is a request', 'Its response goes back. Leave out --to.');
    const thread = { ...message, from: to ?? message.from, correlationId: correlation ?? message.correlationId };
    const sentId = isRequest
      ? await respond(agent, message, body, flags.failed, session)
      : await writeBack(thread, body, flags.type ?? 'reply', session);
    if (out.json) await out.jsonLines([{ id: sentId, requestId: id, to: thread.from ?? null }]);
    else await out.lines([sentId]);
    return flags.ack === undefined ? DONE : settleAll(session, [flags.ack], { action: 'ack' });
  },
});

/** What a reply needs of its message. */
type Replied = Pick<Message, 'id' | 'from' | 'correlationId' | 'hops' | 'replyTo'>;

async function requireMail(agent: string, id: string, session: Session): Promise<Message> {
  await requireMailbox(agent, session);
  const message = await findMail(agent, id, session);
  if (message !== undefined) return message;
  const hint = `Give the id, not the receipt, and reply before you ack. If it was acked, name its sender: busbar reply ${quoteForShell(id)} BODY --to SENDER`;
  throw notFound(`message in the inbox of ${agent}:`, id, `${hint} --as ${quoteForShell(agent)}.`);
}

/** The message in the inbox, or what is known of one that was acked. */
async function findReplied(agent: string, id: string, session: Session): Promise<Replied> {
  const gone = { id, from: undefined, correlationId: undefined, hops: 0, replyTo: undefined };
  return (await findMail(agent, id, session)) ?? gone;
}

/** Sends a message of the same thread to the sender of `message`. */
async function writeBack(
  { id, from, correlationId = id, hops }: Replied,
  body: unknown,
  type: string,
  session: Session,
): Promise<string> {
  if (from === undefined)
    throw invalid('this message has no sender', 'Send a message to an agent: busbar send TO BODY.');
  const fields = { type, correlationId, causationId: id, hops: Math.min(255, hops + 1), createInbox: false };
  return (await sendWithoutBus(session, from, body, fields)).id;
}

/** Sends the response. Sent twice, it is delivered once. */
async function respond(
  agent: string,
  request: Replied,
  body: unknown,
  failed: boolean,
  session: Session,
): Promise<string> {
  const { queues } = await session.transport();
  const value = failed
    ? { name: 'Error', message: typeof body === 'string' ? body : (JSON.stringify(body) ?? 'it failed') }
    : body;
  const [result] = await queues
    .send(
      request.replyTo ?? '',
      [
        {
          body: new TextEncoder().encode(JSON.stringify(value) ?? ''),
          contentType: 'application/json',
          from: agent,
          correlationId: request.id,
          causationId: request.id,
          hops: Math.min(255, request.hops + 1),
          to: request.from,
          ...(failed ? { headers: { 'bus-kind': 'failed' } } : {}),
        },
      ],
      { ...session.call, create: false },
    )
    .catch((error: unknown) => {
      throw isBusbarError(error) && error.code === 'NOT_FOUND' ? gone(request) : error;
    });
  if (result?.error !== undefined) throw result.error;
  return result?.id ?? '';
}

function gone({ id }: Replied): BusbarError {
  return notFound('requester of', id, 'Its request timed out or it closed. Ack the request without a response.');
}
