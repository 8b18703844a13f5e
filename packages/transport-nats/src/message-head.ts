/** The fields of a message as JSON, without its body and without fields that have their default value. */

import type { PreparedMessage } from '@busbar/api/driver';
import type { Message } from '@busbar/api/transport';

export type MessageHead = Partial<Omit<Message, 'body'>>;

const DEFAULT_TYPE = 'application/octet-stream';
const NO_HEADERS: Message['headers'] = Object.freeze({});

const OPTIONAL = ['type', 'from', 'to', 'topic', 'orderingKey', 'correlationId', 'causationId', 'replyTo'] as const;

/** The head of a message. The delay, time to live and attempts of a prepared message are left out. */
export function toHead(message: Message | PreparedMessage): MessageHead {
  const { id, sentAt, contentType, priority, hops, headers } = message;
  const head: Record<string, unknown> = { id, sentAt };
  for (const name of OPTIONAL) if (message[name] !== undefined) head[name] = message[name];
  if (contentType !== DEFAULT_TYPE) head['contentType'] = contentType;
  if (priority !== 4) head['priority'] = priority;
  if (hops !== 0) head['hops'] = hops;
  if (Object.keys(headers).length > 0) head['headers'] = headers;
  return head;
}

export function fromHead(head: MessageHead, body: Uint8Array, storedAt: number): Message {
  return {
    id: head.id ?? '',
    body,
    contentType: head.contentType ?? DEFAULT_TYPE,
    headers: head.headers === undefined ? NO_HEADERS : Object.freeze(head.headers),
    type: head.type,
    from: head.from,
    to: head.to,
    topic: head.topic,
    priority: head.priority ?? 4,
    orderingKey: head.orderingKey,
    correlationId: head.correlationId,
    causationId: head.causationId,
    hops: head.hops ?? 0,
    replyTo: head.replyTo,
    sentAt: head.sentAt ?? storedAt,
  };
}
