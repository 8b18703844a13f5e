/** Frames as JSON text: the form that `docs/protocol.md` describes for browsers. */

import { fromBase64, toBase64 } from '@busbar/api/driver';
import { FRAME, type Frame, type FrameType, type Header, parseHeader, protocolError } from '@busbar/wire';

const NAMES = new Map<FrameType, string>(Object.entries(FRAME).map(([name, type]) => [type, name]));
const encoder = new TextEncoder();
/** A byte order mark is a part of the body. */
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Encodes a frame. A body of valid UTF-8 becomes a string, any other an object with `base64`. */
export function encodeJsonFrame({ type, id, header, bodies }: Frame): string {
  return JSON.stringify({ type: NAMES.get(type), id, header, bodies: bodies.map(encodeBody) });
}

/** Decodes a frame of the hub. Throws INVALID_ARGUMENT for an illegal one. */
export function decodeJsonFrame(text: string): Frame {
  const { type, id = 0, header = {}, bodies = [] } = parseHeader(text);
  const number = FRAME[type as keyof typeof FRAME];
  if (number === undefined || !Array.isArray(bodies)) throw protocolError('the hub sent an illegal frame');
  return {
    type: number,
    id: id as number,
    header: header as Header,
    bodies: bodies.map(decodeBody),
    bytes: text.length,
  };
}

function encodeBody(body: Uint8Array): string | { readonly base64: string } {
  try {
    return decoder.decode(body);
  } catch {
    return { base64: toBase64(body) };
  }
}

function decodeBody(body: string | { readonly base64: string }): Uint8Array {
  return typeof body === 'string' ? encoder.encode(body) : fromBase64(body.base64);
}
