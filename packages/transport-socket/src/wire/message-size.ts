/** How much of a frame a message takes. */

import type { Message } from '@busbar/api/transport';

/** Names, punctuation and numbers in a head. */
const HEAD_BYTES = 256;
/** A unit of UTF-16 is three bytes of UTF-8 at most. */
const UNIT_BYTES = 3;

/** Bytes that a message takes in a frame, at most. */
export function sizeOfMessage(message: Message): number {
  let units = message.id.length + message.contentType.length;
  for (const name in message.headers) units += name.length + (message.headers[name]?.length ?? 0);
  const { type, from, to, orderingKey, correlationId, causationId, replyTo } = message;
  units += lengthOf(type) + lengthOf(from) + lengthOf(to) + lengthOf(orderingKey);
  units += lengthOf(correlationId) + lengthOf(causationId) + lengthOf(replyTo);
  return message.body.byteLength + HEAD_BYTES + units * UNIT_BYTES;
}

function lengthOf(text: string | undefined): number {
  return text === undefined ? 0 : text.length;
}
