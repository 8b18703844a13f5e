/** Size estimates for messages in frames. */

import type { Message } from '@busbar/api/transport';

/** Field names, punctuation and numbers in a header. */
const HEADER_BYTES = 256;
/** One UTF-16 unit takes at most three bytes of UTF-8. */
const UNIT_BYTES = 3;

/** Upper bound of the bytes that a message takes in a frame. */
export function sizeOfMessage(message: Message): number {
  let units = message.id.length + message.contentType.length;
  for (const name in message.headers) units += name.length + (message.headers[name]?.length ?? 0);
  const { type, from, to, orderingKey, correlationId, causationId, replyTo } = message;
  units += lengthOf(type) + lengthOf(from) + lengthOf(to) + lengthOf(orderingKey);
  units += lengthOf(correlationId) + lengthOf(causationId) + lengthOf(replyTo);
  return message.body.byteLength + HEADER_BYTES + units * UNIT_BYTES;
}

function lengthOf(text: string | undefined): number {
  return text === undefined ? 0 : text.length;
}
