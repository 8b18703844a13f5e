/** Frames, the unit of the wire protocol, in their binary form. `docs/protocol.md` describes it for other languages. */

import type { BusbarError } from '@busbar/api/transport';
import { protocolError } from '../errors.ts';

/** Frame types, with their numbers on the wire. */
export const FRAME = {
  /** Client to hub: the first frame, with the client's identity and options. */
  hello: 1,
  /** Hub to client: accepts the hello and describes the store. */
  welcome: 2,
  /** Client to hub: an operation. */
  request: 3,
  /** The result of a request or call; the last frame of its id. */
  response: 4,
  /** The failure of a request or call; the last frame of its id. */
  error: 5,
  /** Data before the response: a reply of a call, or the position of a subscription. */
  item: 6,
  /** Allows more items. */
  credit: 7,
  /** The sender no longer waits for this id. */
  cancel: 8,
  /** Hub to client: a call to an address that the client serves. The hub chose its id. */
  call: 9,
  ping: 10,
  pong: 11,
  /** The sender ends the connection, and gives the reason. */
  goaway: 12,
} as const;

/** One of {@link FRAME}. */
export type FrameType = (typeof FRAME)[keyof typeof FRAME];

/** One frame. */
export interface Frame {
  readonly type: FrameType;
  /** The id of the request or call that the frame belongs to; 0 if it belongs to none. */
  readonly id: number;
  readonly header: Header;
  /** Bytes that the header describes, in the same order. They are views of the input: copy what you keep. */
  readonly bodies: readonly Uint8Array[];
  /** Of a received frame: its size. */
  readonly bytes?: number;
}

/** The header of a frame: plain JSON, not validated yet. */
export type Header = Readonly<Record<string, unknown>>;

/** Largest frame that a hub accepts, without its length field. */
export const MAX_FRAME_BYTES = 4_194_304;
/** Size of a frame without header and bodies, with its length field. */
const FIXED_BYTES = 13;
const LAST_TYPE = FRAME.goaway;
const NO_HEADER: Header = Object.freeze({});
const NO_BODIES: readonly Uint8Array[] = Object.freeze([]);
const EMPTY = /* @__PURE__ */ Buffer.alloc(0);

/** Makes a frame; header and bodies are empty by default. */
export function frame(
  type: FrameType,
  id = 0,
  header: Header = NO_HEADER,
  bodies: readonly Uint8Array[] = NO_BODIES,
): Frame {
  return { type, id, header, bodies };
}

/** A goaway frame that reports `error`. */
export function goaway({ code, message }: BusbarError): Frame {
  return frame(FRAME.goaway, 0, { code, reason: message });
}

/** Encodes frames one after another. */
export function encodeFrames(frames: readonly Frame[]): Buffer {
  const headers = frames.map(({ header }) => (header === NO_HEADER ? '{}' : JSON.stringify(header)));
  let maxBytes = 0;
  for (const [index, { bodies }] of frames.entries()) {
    maxBytes += FIXED_BYTES + (headers[index]?.length ?? 0) * 3;
    for (const body of bodies) maxBytes += 4 + body.byteLength;
  }
  const bytes = Buffer.allocUnsafe(maxBytes);
  let at = 0;
  for (const [index, each] of frames.entries()) at = write(bytes, at, each, headers[index] ?? '{}');
  return bytes.subarray(0, at);
}

function write(bytes: Buffer, start: number, { type, id, bodies }: Frame, header: string): number {
  const headerBytes = bytes.write(header, start + FIXED_BYTES);
  let at = start + FIXED_BYTES + headerBytes;
  for (const body of bodies) {
    bytes.writeUInt32BE(body.byteLength, at);
    bytes.set(body, at + 4);
    at += 4 + body.byteLength;
  }
  bytes.writeUInt32BE(at - start - 4, start);
  bytes.writeUInt8(type, start + 4);
  bytes.writeUInt32BE(id, start + 5);
  bytes.writeUInt32BE(headerBytes, start + 9);
  return at;
}

/** Splits a byte stream into frames. Buffers one frame of legal size at most. */
export class FrameReader {
  readonly #maxBytes: number;
  /** A partial frame. The buffer doubles as it fills, so its size never depends on what the peer announces. */
  #buffer: Buffer = EMPTY;
  #buffered = 0;
  /** Bytes needed before the next attempt to split. */
  #needed = 4;

  constructor(maxBytes: number = MAX_FRAME_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** Whether the input so far ends within a frame. */
  get isPartial(): boolean {
    return this.#buffered > 0;
  }

  /** Adds a chunk; returns the frames that are complete. Throws INVALID_ARGUMENT for an illegal frame. */
  read(chunk: Buffer): Frame[] {
    if (this.#buffered === 0) return this.#split(chunk);
    this.#append(chunk);
    if (this.#buffered < this.#needed) return [];
    const bytes = this.#buffer.subarray(0, this.#buffered);
    this.#buffer = EMPTY;
    this.#buffered = 0;
    return this.#split(bytes);
  }

  #split(bytes: Buffer): Frame[] {
    const frames: Frame[] = [];
    let at = 0;
    while (bytes.length - at >= 4) {
      const length = bytes.readUInt32BE(at);
      if (length > this.#maxBytes)
        throw protocolError(`a frame of ${length} bytes is over the limit of ${this.#maxBytes}`);
      if (length < FIXED_BYTES - 4) throw protocolError(`a frame of ${length} bytes is too short to be one`);
      if (bytes.length - at < 4 + length) {
        this.#needed = 4 + length;
        this.#append(bytes.subarray(at));
        return frames;
      }
      frames.push(decodeFrame(bytes.subarray(at + 4, at + 4 + length)));
      at += 4 + length;
    }
    this.#needed = 4;
    if (at < bytes.length) this.#append(bytes.subarray(at));
    return frames;
  }

  #append(chunk: Buffer): void {
    const needed = this.#buffered + chunk.length;
    if (needed > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2));
      this.#buffer.copy(larger, 0, 0, this.#buffered);
      this.#buffer = larger;
    }
    chunk.copy(this.#buffer, this.#buffered);
    this.#buffered = needed;
  }
}

/** Decodes one frame, without its length field. Throws INVALID_ARGUMENT for an illegal frame. */
export function decodeFrame(bytes: Buffer): Frame {
  const type = bytes[0] ?? 0;
  if (type < 1 || type > LAST_TYPE) throw protocolError(`unknown frame type ${type}`);
  const id = bytes.readUInt32BE(1);
  const headerBytes = bytes.readUInt32BE(5);
  const headerStart = FIXED_BYTES - 4;
  if (headerStart + headerBytes > bytes.length) throw protocolError('the header of a frame is longer than the frame');
  const isEmpty = headerBytes === 2 && bytes.readUInt16BE(headerStart) === 0x7b7d;
  const header = isEmpty ? NO_HEADER : parseHeader(bytes.toString('utf8', headerStart, headerStart + headerBytes));
  const bodies = splitBodies(bytes, headerStart + headerBytes);
  return { type: type as FrameType, id, header, bodies, bytes: bytes.length };
}

/** Parses a header. Throws INVALID_ARGUMENT unless the text is one JSON object. */
export function parseHeader(text: string): Header {
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch {
    throw protocolError('the header of a frame is not JSON');
  }
  if (typeof header === 'object' && header !== null && !Array.isArray(header)) return header as Header;
  throw protocolError('the header of a frame is not an object');
}

function splitBodies(bytes: Buffer, start: number): readonly Uint8Array[] {
  if (start === bytes.length) return NO_BODIES;
  const bodies: Uint8Array[] = [];
  let at = start;
  while (at < bytes.length) {
    const length = at + 4 > bytes.length ? Number.POSITIVE_INFINITY : bytes.readUInt32BE(at);
    if (at + 4 + length > bytes.length) throw protocolError('a body in a frame is longer than the frame');
    bodies.push(length === 0 ? EMPTY : bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return bodies;
}
