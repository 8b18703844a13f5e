/** `busbar reply`: the answer to a request that was received. */

import { type BusbarError, invalid, isBusbarError, type Message } from '@busbar/api/transport';
import { type Command, defineCommand } from '../command.ts';
import { BODY_NOTE, readBody } from '../input/body.ts';
import { findMail, requireMailbox } from '../mail/mailbox.ts';
import { settleAll } from '../mail/settling.ts';
import { DONE } from '../output/exit-codes.ts';
import { notFound, type Session } from '../session.ts';

export const reply: Command = defineCommand({
  args: ['ID', 'BODY?'],
  flags: {
    ack: { kind: 'text', value: 'RECEIPT', max: 512, help: 'ack the request once it is answered' },
    failed: { kind: 'switch', help: 'BODY says why there is no answer: the asker gets an error' },
    text: { kind: 'switch', help: 'BODY is text, also where it parses as JSON' },
  },
  examples: [
    [`busbar reply ID '{"valid":true}' --as @auth`, 'the id of the request, as recv printed it'],
    ['busbar reply ID "no such file" --failed --ack RECEIPT', 'an error, and the request is done'],
  ],
  notes: ['The request must be in the inbox of --as or BUSBAR_AGENT still: reply first, then ack.', BODY_NOTE],
  run: async ({ args: [id = '', argument], flags, session }) => {
    const { out, signal } = session;
    const agent = session.inboxOwner(undefined);
    const body = await readBody(argument, { text: flags.text, optional: true, signal, out });
    const request = await findRequest(agent, id, session);
    const sentId = await answer(agent, request, body, flags.failed, session);
    if (out.json) await out.jsonLines([{ id: sentId, requestId: id, to: request.from ?? null }]);
    else await out.lines([sentId]);
    return flags.ack === undefined ? DONE : settleAll(session, [flags.ack], { action: 'ack' });
  },
});

async function findRequest(agent: string, id: string, session: Session): Promise<Message> {
  await requireMailbox(agent, session);
  const request = await findMail(agent, id, session);
  if (request === undefined) {
    throw notFound(
      `such message in the inbox of ${agent}:`,
      id,
      'Give the id (not the receipt), and reply before you ack.',
    );
  }
  if (request.replyTo !== undefined) return request;
  const to = request.from === undefined ? 'its sender' : request.from;
  throw invalid('nobody waits for a reply to this message', `Send a message of its own: busbar send ${to} BODY`);
}

/** Sends the reply; one that is sent twice arrives once. */
async function answer(
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
          ...(request.from === undefined ? {} : { to: request.from }),
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
  return notFound('asker any more for', id, 'Its time was up, or it went away. Ack the request: it needs no answer.');
}
