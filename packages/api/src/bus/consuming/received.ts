/** Messages as handlers get them, with decoded bodies. */

import type { Headers, Message } from '../../contract/message.ts';
import type { BodyCodec, PlainBodyCodec } from '../messages/body-codec.ts';
import type { Later } from '../messages/later.ts';
import { userHeaders } from '../messages/message-options.ts';

/** A message, an event or a task with its decoded body. */
export interface ReceivedMessage<T = unknown> {
  readonly id: string;
  readonly type: string | undefined;
  /** The agent that sent it. */
  readonly from: string | undefined;
  /** The agent it was sent to. */
  readonly to: string | undefined;
  /** The topic of an event. */
  readonly topic: string | undefined;
  readonly body: T;
  readonly contentType: string;
  readonly headers: Headers;
  readonly priority: number;
  readonly orderingKey: string | undefined;
  readonly correlationId: string | undefined;
  readonly causationId: string | undefined;
  readonly hops: number;
  /** Milliseconds since 1970, by the sender's clock. */
  readonly sentAt: number;
  /** 1 for the first delivery. Live events and requests have no other. */
  readonly attempt: number;
  /** The position of a stored event in its log. */
  readonly position: string | undefined;
}

/** A message of a transport. */
type Arrived = Message & { readonly attempt?: number; readonly position?: string | undefined };

/**
 * Decodes `message`. Throws INVALID_ARGUMENT when its body does not match its content type. A promise of an asynchronous
 * codec.
 */
export function toReceived(bodies: PlainBodyCodec, message: Arrived): ReceivedMessage;
export function toReceived(bodies: BodyCodec, message: Arrived): Later<ReceivedMessage>;
export function toReceived(bodies: Pick<BodyCodec, 'decode'>, message: Arrived): Later<ReceivedMessage> {
  const body = bodies.decode(message);
  return body instanceof Promise ? body.then((late) => withBody(message, late)) : withBody(message, body);
}

function withBody(message: Arrived, body: unknown): ReceivedMessage {
  return {
    id: message.id,
    type: message.type,
    from: message.from,
    to: message.to,
    topic: message.topic,
    body,
    contentType: message.contentType,
    headers: userHeaders(message.headers),
    priority: message.priority,
    orderingKey: message.orderingKey,
    correlationId: message.correlationId,
    causationId: message.causationId,
    hops: message.hops,
    sentAt: message.sentAt,
    attempt: message.attempt ?? 1,
    position: message.position,
  };
}

/** Like {@link toReceived}, but a body that cannot be decoded stays bytes. */
export async function toReadable(bodies: BodyCodec, message: Arrived): Promise<ReceivedMessage> {
  try {
    return await toReceived(bodies, message);
  } catch {
    return withBody(message, message.body);
  }
}
