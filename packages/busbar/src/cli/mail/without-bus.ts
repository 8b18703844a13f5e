/**
 * Sends mail and events through the transport, without the bus. The messages are the same. A command sends one message, and
 * loading the bus for it takes 80 modules: 35 ms from source, more than everything else together.
 */

import type { Published, Sent } from '@busbar/api';
import { BusbarError, invalid, isBusbarError, type MessageInput, quote, type SendResult } from '@busbar/api/transport';
import type { Session } from '../session.ts';
import { checkAgent, inboxOf, unknownAgent } from './mailbox.ts';

/** Fields of a message, without the body. */
type MessageFields = Omit<MessageInput, 'body' | 'contentType' | 'from' | 'to'>;

/** Sends a message to an agent. Unless `createInbox` is set, an unknown agent rejects with NOT_FOUND and a suggestion. */
export async function sendWithoutBus(
  session: Session,
  to: string,
  body: unknown,
  { createInbox, ...fields }: MessageFields & { readonly createInbox: boolean },
): Promise<Sent> {
  checkAgent(to);
  const { queues } = await session.transport();
  const input = { ...toInput(session.sender, body, fields), to };
  try {
    const [result] = await queues.send(inboxOf(to), [input], { ...session.call, create: createInbox });
    return { ...toStored(result), to };
  } catch (error) {
    throw isBusbarError(error) && error.code === 'NOT_FOUND'
      ? await unknownAgent(to, session, error, '; --create-inbox keeps the message until it registers')
      : error;
  }
}

/** Publishes an event. */
export async function publishWithoutBus(
  session: Session,
  topic: string,
  body: unknown,
  { ephemeral, ...fields }: MessageFields & { readonly ephemeral: boolean },
): Promise<Published> {
  if (topic.startsWith('$'))
    throw invalid(`topic ${quote(topic)} starts with $`, 'Names with $ in front are reserved for the bus.');
  const { topics } = await session.transport();
  const [result] = await topics.publish(topic, [toInput(session.sender, body, fields)], { ...session.call, ephemeral });
  return { ...toStored(result), position: result?.position };
}

function toInput(sender: string, body: unknown, fields: MessageFields): MessageInput {
  checkAgent(sender);
  for (const name of Object.keys(fields.headers ?? {})) {
    if (name.startsWith('bus-'))
      throw invalid(`the header ${quote(name)} is reserved`, 'Names with bus- in front are reserved for the bus.');
  }
  const text = body === undefined ? '' : JSON.stringify(body);
  return { ...fields, from: sender, body: new TextEncoder().encode(text), contentType: 'application/json' };
}

function toStored(result: SendResult | undefined): { id: string; status: 'stored' | 'duplicate' } {
  if (result?.status === 'stored' || result?.status === 'duplicate') return { id: result.id, status: result.status };
  throw result?.error ?? new BusbarError('INTERNAL', 'the message may or may not be stored', { outcome: 'unknown' });
}
