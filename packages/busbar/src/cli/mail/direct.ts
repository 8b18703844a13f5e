/**
 * Mail and events straight to the transport. What is sent is what the bus would send; but a shell sends one message a
 * process, and loading the bus for it would cost 80 modules (35 ms from source, more than all the rest together).
 */

import type { Published, Sent } from '@busbar/api';
import { BusbarError, invalid, isBusbarError, type MessageInput, quote, type SendResult } from '@busbar/api/transport';
import type { FlagValues } from '../input/flag-values.ts';
import type { MAIL_FLAGS } from '../input/mail-flags.ts';
import type { Session } from '../session.ts';
import { checkAgent, inboxOf, unknownAgent } from './mailbox.ts';

/** What is said of a message beside its body. */
export type Fields = Pick<
  MessageInput,
  'id' | 'type' | 'headers' | 'priority' | 'delayMs' | 'ttlMs' | 'orderingKey' | 'correlationId'
>;

/** Puts a message into the inbox of an agent; NOT_FOUND, with whom may have been meant, where there is none (unless `hold`). */
export async function sendDirectly(
  session: Session,
  to: string,
  body: unknown,
  { hold, ...fields }: Fields & { readonly hold: boolean },
): Promise<Sent> {
  checkAgent(to);
  const { queues } = await session.transport();
  const input = { ...toInput(session.sender, body, fields), to };
  try {
    const [result] = await queues.send(inboxOf(to), [input], { ...session.call, create: hold });
    return { ...toStored(result), to };
  } catch (error) {
    throw isBusbarError(error) && error.code === 'NOT_FOUND'
      ? await unknownAgent(to, session, error, '; --hold parks it for one to come')
      : error;
  }
}

/** Publishes an event. */
export async function publishDirectly(
  session: Session,
  topic: string,
  body: unknown,
  { ephemeral, ...fields }: Fields & { readonly ephemeral: boolean },
): Promise<Published> {
  if (topic.startsWith('$'))
    throw invalid(`topic ${quote(topic)} starts with $`, 'Names with $ in front are reserved.');
  const { topics } = await session.transport();
  const [result] = await topics.publish(topic, [toInput(session.sender, body, fields)], { ...session.call, ephemeral });
  return { ...toStored(result), position: result?.position };
}

/** The flags as fields of a message. */
export function toFields({
  priority,
  delay,
  ttl,
  order,
  header,
  correlation,
  key,
}: FlagValues<typeof MAIL_FLAGS>): Fields {
  return {
    ...(key === undefined ? {} : { id: key }),
    ...(priority === undefined ? {} : { priority }),
    ...(delay === undefined ? {} : { delayMs: delay }),
    ...(ttl === undefined ? {} : { ttlMs: ttl }),
    ...(order === undefined ? {} : { orderingKey: order }),
    ...(correlation === undefined ? {} : { correlationId: correlation }),
    ...(Object.keys(header).length === 0 ? {} : { headers: header }),
  };
}

function toInput(sender: string, body: unknown, fields: Fields): MessageInput {
  checkAgent(sender);
  for (const name of Object.keys(fields.headers ?? {})) {
    if (name.startsWith('bus-'))
      throw invalid(`the header ${quote(name)} is reserved`, 'Names with bus- in front belong to the bus.');
  }
  const text = body === undefined ? '' : JSON.stringify(body);
  return { ...fields, from: sender, body: new TextEncoder().encode(text), contentType: 'application/json' };
}

function toStored(result: SendResult | undefined): { id: string; status: 'stored' | 'duplicate' } {
  if (result?.status === 'stored' || result?.status === 'duplicate') return { id: result.id, status: result.status };
  throw (
    result?.error ?? new BusbarError('INTERNAL', 'it is not known what became of the message', { outcome: 'unknown' })
  );
}
