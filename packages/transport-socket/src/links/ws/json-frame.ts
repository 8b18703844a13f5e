/** Frames as JSON text: the form for browsers and short programs. `docs/protocol.md` describes it. */

import { isUtf8 } from 'node:buffer';
import { checkInteger, checkOptions, invalid } from '@busbar/api/transport';
import { bad, FRAME, type Frame, type FrameType, frame, type Head, parseHead } from '../../wire/frame.ts';

const NAMES = new Map(Object.entries(FRAME).map(([name, type]) => [type, name]));
const KEYS = ['type', 'id', 'head', 'bodies'];
const HINT = 'See docs/protocol.md for the form of frames in JSON.';
const NO_BODIES: readonly Uint8Array[] = Object.freeze([]);

/** The text of a frame. A body that is UTF-8 is a string, any other an object with `base64`. */
export function encodeJsonFrame({ type, id, head, bodies }: Frame): string {
  return JSON.stringify({
    type: NAMES.get(type),
    ...(id !== 0 && { id }),
    head,
    ...(bodies.length > 0 && { bodies: bodies.map(toJsonBody) }),
  });
}

/** The frame of a text. Throws INVALID_ARGUMENT for what is none. */
export function decodeJsonFrame(text: string): Frame {
  const fields = parseHead(text);
  checkOptions(fields, KEYS, 'a frame');
  const { type, id = 0, head = {}, bodies = NO_BODIES } = fields;
  checkInteger(id, 'the id of a frame', { min: 0, max: 0xffff_ffff });
  if (typeof head !== 'object' || head === null || Array.isArray(head))
    throw bad('the head of a frame is not an object');
  if (!Array.isArray(bodies)) throw bad('the bodies of a frame are not an array');
  return frame(toType(type), id as number, head as Head, bodies.length === 0 ? NO_BODIES : bodies.map(readJsonBody));
}

function toType(name: unknown): FrameType {
  const type = typeof name === 'string' && Object.hasOwn(FRAME, name) ? FRAME[name as keyof typeof FRAME] : undefined;
  if (type === undefined) throw invalid('a frame in JSON has no known type', HINT);
  return type;
}

function toJsonBody(body: Uint8Array): string | { readonly base64: string } {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  return isUtf8(bytes) ? bytes.toString('utf8') : { base64: bytes.toString('base64') };
}

function readJsonBody(body: unknown): Uint8Array {
  if (typeof body === 'string') {
    if (body.isWellFormed()) return Buffer.from(body);
    throw invalid('a body in JSON has half of a surrogate pair', 'Send bytes that are no text as {"base64": …}.');
  }
  const { base64 } = (body ?? {}) as { readonly base64?: unknown };
  if (typeof base64 !== 'string') throw invalid('a body in JSON must be a string or {"base64": …}', HINT);
  const bytes = Buffer.from(base64, 'base64');
  // Node skips what is not base64 in silence.
  if (bytes.toString('base64').replace(/=+$/, '') === base64.replace(/=+$/, '')) return bytes;
  throw invalid('a body in JSON has illegal base64', 'Use the standard alphabet, + and /.');
}
