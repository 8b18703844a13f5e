/** The headers of messages: their encoding, and what direct gets say in them. */

import type { Msg, MsgHdrs } from '@nats-io/transport-node';

/** Names of headers with their values; they are encoded as they are. */
export type HeaderList = Readonly<Record<string, string | number>>;

const VERSION = 'NATS/1.0';
const STATUS_END = VERSION.length + 4;
const SPACE = 0x20;

/** Headers that are encoded here: the client's own list looks for a name with a pass over all. */
export function encodeHeaders(list: HeaderList): MsgHdrs {
  let text = 'NATS/1.0\r\n';
  for (const name in list) text += `${name}: ${list[name]}\r\n`;
  const bytes = Buffer.from(`${text}\r\n`);
  return { encode: () => bytes } as unknown as MsgHdrs;
}

/** The sequence of a message that a direct get returned; 0 without a message. */
export function sequenceOf(message: Msg | undefined): number {
  return message === undefined ? 0 : Number(headerReader(message)('Nats-Sequence') ?? 0);
}

/** Reads headers of a message by name. The client's list of headers takes five times as long. */
export function headerReader(msg: Msg): (name: string) => string | undefined {
  const text = headerBytes(msg)?.toString();
  if (text === undefined) return (name) => msg.headers?.get(name);
  return (name) => {
    const line = `\r\n${name}: `;
    const at = text.indexOf(line);
    return at < 0 ? msg.headers?.get(name) : text.slice(at + line.length, text.indexOf('\r\n', at + 2));
  };
}

/** The status of a reply; 0 without one. */
export function codeOf(msg: Msg): number {
  const bytes = headerBytes(msg);
  if (bytes === undefined) return msg.headers?.code ?? 0;
  return bytes[VERSION.length] === SPACE ? Number(bytes.toString('latin1', VERSION.length + 1, STATUS_END)) : 0;
}

/** The headers stand in front of the body in memory. */
function headerBytes(msg: Msg & { size?(): number }): Buffer | undefined {
  const { buffer, byteOffset, length } = msg.data;
  const size = (msg.size?.() ?? 0) - msg.subject.length - (msg.reply?.length ?? 0) - length;
  if (size < STATUS_END || size > byteOffset) return undefined;
  const bytes = Buffer.from(buffer, byteOffset - size, size);
  return bytes.toString('latin1', 0, VERSION.length) === VERSION ? bytes : undefined;
}
