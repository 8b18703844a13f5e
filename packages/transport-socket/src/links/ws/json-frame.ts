/** Frames as JSON text, for browsers and short programs. `docs/protocol.md` describes the format. */

import { isUtf8 } from 'node:buffer';
import { checkInteger, checkOptions, invalid } from '@busbar/api/transport';
import { FRAME, type Frame, type FrameType, type Header, parseHeader, protocolError } from '@busbar/wire';

const NAMES = new Map(Object.entries(FRAME).map(([name, type]) => [type, name]));
const KEYS = ['type', 'id', 'header', 'bodies'];
const HINT = 'See docs/protocol.md for the form of frames in JSON.';
const NO_BODIES: readonly Uint8Array[] = Object.freeze([]);

/** Encodes a frame. A body of valid UTF-8 becomes a string, any other an object with `base64`. */
export function encodeJsonFrame({ type, id, header, bodies }: Frame): string {
  return JSON.stringify({
    type: NAMES.get(type),
    ...(id !== 0 && { id }),
    header,
    ...(bodies.length > 0 && { bodies: bodies.map(encodeBody) }),
  });
}

/** Decodes a frame. Throws INVALID_ARGUMENT for an illegal frame. */
export function decodeJsonFrame(text: string): Frame {
  const fields = parseHeader(text);
  checkOptions(fields, KEYS, 'a frame');
  const { type, id = 0, header = {}, bodies = NO_BODIES } = fields;
  checkInteger(id, 'the id of a frame', { min: 0, max: 0xffff_ffff });
  if (typeof header !== 'object' || header === null || Array.isArray(header))
    throw protocolError('the header of a frame is not an object');
  if (!Array.isArray(bodies)) throw protocolError('the bodies of a frame are not an array');
  const decoded = bodies.length === 0 ? NO_BODIES : bodies.map(decodeBody);
  return { type: toType(type), id: id as number, header: header as Header, bodies: decoded, bytes: text.length };
}

function toType(name: unknown): FrameType {
  const type = typeof name === 'string' && Object.hasOwn(FRAME, name) ? FRAME[name as keyof typeof FRAME] : undefined;
  if (type === undefined) throw invalid('the type of a frame in JSON is unknown', HINT);
  return type;
}

function encodeBody(body: Uint8Array): string | { readonly base64: string } {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  return isUtf8(bytes) ? bytes.toString('utf8') : { base64: bytes.toString('base64') };
}

function decodeBody(body: unknown): Uint8Array {
  if (typeof body === 'string') {
    if (body.isWellFormed()) return Buffer.from(body);
    throw invalid('a body in JSON has half of a surrogate pair', 'Send binary data as {"base64": …}.');
  }
  const { base64 } = (body ?? {}) as { readonly base64?: unknown };
  if (typeof base64 !== 'string') throw invalid('a body in JSON must be a string or {"base64": …}', HINT);
  const bytes = Buffer.from(base64, 'base64');
  // Node skips illegal characters silently.
  if (bytes.toString('base64').replace(/=+$/, '') === base64.replace(/=+$/, '')) return bytes;
  throw invalid('a body in JSON has illegal base64', 'Use the standard alphabet, + and /.');
}
