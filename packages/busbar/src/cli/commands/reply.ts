/** `busbar reply`: responds to a received request. */

import { type BusbarError, invalid, isBusbarError, type Message } from '@busbar/api/transport';
import { type Command, defineCommand } from '../command.ts';
import { BODY_NOTE, readBody } from '../input/body.ts';
import { findMail, requireMailbox } from '../mail/mailbox.ts';
import { DONE } from '../output/exit-codes.ts';
import { notFound, type Session } from '../session.ts';
import { settleAll } from './settle.ts';

export const reply: Command = defineCommand({
  args: ['ID', 'BODY?'],
  flags: {
    ack: { kind: 'text', value: 'RECEIPT', max: 512, help: 'ack the request after the response' },
    failed: { kind: 'switch', help: 'respond with an error; BODY is its message' },
    text: { kind: 'switch', help: 'BODY is text, even if it parses as JSON' },
  },
  examples: [
    [`busbar reply ID '{"valid":true}' --as @auth`, 'the id that recv printed'],
    ['busbar reply ID "no such file" --failed --ack RECEIPT', 'responds with an error, then acks the request'],
  ],
  notes: ['The request must still be in the inbox of --as or BUSBAR_AGENT, so reply before you ack.', BODY_NOTE],
  run: async ({ args: [id = '', argument], flags, session }) => {
    const { out, signal } = session;
    const agent = session.inboxOwner(undefined);
    const body = await readBody(argument, { text: flags.text, optional: true, signal, out });
    const request = await findRequest(agent, id, session);
    const sentId = await respond(agent, request, body, flags.failed, session);
    if (out.json) await out.jsonLines([{ id: sentId, requestId: id, to: request.from ?? null }]);
    else await out.lines([sentId]);
    return flags.ack === undefined ? DONE : settleAll(session, [flags.ack], { action: 'ack' });
  },
});

async function findRequest(agent: string, id: string, session: Session): Promise<Message> {
  await requireMailbox(agent, session);
  const request = await findMail(agent, id, session);
  if (request === undefined) {
    throw notFound(`message in the inbox of ${agent}:`, id, 'Give the id, not the receipt, and reply before you ack.');
  }
  if (request.replyTo !== undefined) return request;
  const to = request.from === undefined ? 'its sender' : request.from;
  throw invalid('this message is not a request', `Send a message instead: busbar send ${to} BODY`);
}

/** Sends the response. Sent twice, it is delivered once. */
async function respond(
  agent: string,
  request: Message,
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

function gone({ id }: Message): BusbarError {
  return notFound('requester of', id, 'Its request timed out or it closed. Ack the request without a response.');
}
