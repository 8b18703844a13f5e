/** The headers of messages: their encoding, and what direct gets say in them. */

import type { Msg, MsgHdrs } from '@nats-io/transport-node';

/** Names of headers with their values; they are encoded as they are. */
export type HeaderList = Readonly<Record<string, string | number>>;

/** Headers that are encoded here: the client's own list looks for a name with a pass over all. */
export function encodeHeaders(list: HeaderList): MsgHdrs {
  let text = 'NATS/1.0\r\n';
  for (const name in list) text += `${name}: ${list[name]}\r\n`;
  const bytes = Buffer.from(`${text}\r\n`);
  return { encode: () => bytes } as unknown as MsgHdrs;
}

/** The sequence of a message that a direct get returned; 0 without a message. */
export function sequenceOf(message: Msg | undefined): number {
  return Number(message?.headers?.get('Nats-Sequence') ?? 0);
}
