/** Frames: the unit of the wire protocol, and their binary form. `docs/protocol.md` describes it for other languages. */

import { BusbarError } from '@busbar/api/transport';

/** What a frame is. The numbers are the wire's. */
export const FRAME = {
  /** Client to hub, first of all: who it is and what it wants. */
  hello: 1,
  /** Hub to client: the answer to hello, with what the store can do. */
  welcome: 2,
  /** Client to hub: do this. */
  request: 3,
  /** Hub to client: this is what came of it. The last frame of its id. */
  answer: 4,
  /** Hub to client: it failed. The last frame of its id. */
  error: 5,
  /** A part of what is to come: a reply of a call, a position of a subscription. */
  part: 6,
  /** So many parts more may be on the way. */
  credit: 7,
  /** Nobody waits for this id any more. */
  cancel: 8,
  /** Hub to client: a call to an address that it serves. Its id is the hub's. */
  call: 9,
  ping: 10,
  pong: 11,
  /** The sender ends the connection, and says why. */
  goaway: 12,
} as const;

/** One of {@link FRAME}. */
export type FrameType = (typeof FRAME)[keyof typeof FRAME];

/** One frame. */
export interface Frame {
  readonly type: FrameType;
  /** Ties frames together: that of the request they belong to; 0 where there is none. */
  readonly id: number;
  /** Plain JSON. */
  readonly head: Head;
  /** Bytes that the head speaks of, in its order. Views of what was read: copy what is kept. */
  readonly bodies: readonly Uint8Array[];
}

/** The head of a frame before it was looked at. */
export type Head = Readonly<Record<string, unknown>>;

/** The largest frame that a hub takes, its length field excluded. */
export const MAX_FRAME_BYTES = 4_194_304;
/** Bytes of a frame beside its head and bodies, its length field included. */
const FIXED_BYTES = 13;
const LAST_TYPE = FRAME.goaway;
const NO_HEAD: Head = Object.freeze({});
const NO_BODIES: readonly Uint8Array[] = Object.freeze([]);
const EMPTY = Buffer.alloc(0);

/** A frame without head and bodies unless they are given. */
export function frame(type: FrameType, id = 0, head: Head = NO_HEAD, bodies: readonly Uint8Array[] = NO_BODIES): Frame {
  return { type, id, head, bodies };
}

/** The binary form of frames, one behind the other. */
export function encodeFrames(frames: readonly Frame[]): Buffer {
  const heads = frames.map(({ head }) => (head === NO_HEAD ? '{}' : JSON.stringify(head)));
  let most = 0;
  for (const [index, { bodies }] of frames.entries()) {
    most += FIXED_BYTES + (heads[index]?.length ?? 0) * 3;
    for (const body of bodies) most += 4 + body.byteLength;
  }
  const bytes = Buffer.allocUnsafe(most);
  let at = 0;
  for (const [index, each] of frames.entries()) at = write(bytes, at, each, heads[index] ?? '{}');
  return bytes.subarray(0, at);
}

function write(bytes: Buffer, start: number, { type, id, bodies }: Frame, head: string): number {
  const headBytes = bytes.write(head, start + FIXED_BYTES);
  let at = start + FIXED_BYTES + headBytes;
  for (const body of bodies) {
    bytes.writeUInt32BE(body.byteLength, at);
    bytes.set(body, at + 4);
    at += 4 + body.byteLength;
  }
  bytes.writeUInt32BE(at - start - 4, start);
  bytes.writeUInt8(type, start + 4);
  bytes.writeUInt32BE(id, start + 5);
  bytes.writeUInt32BE(headBytes, start + 9);
  return at;
}

/** Puts frames together from pieces of any size. Never holds more than one frame of the legal size. */
export class FrameReader {
  readonly #maxBytes: number;
  /** The beginning of a frame, in a buffer that doubles as it fills: neither the length that a peer announces nor the
   * number of its pieces says how much memory it takes. */
  #buffer: Buffer = EMPTY;
  #held = 0;
  /** How many bytes must be there before it is worth looking again. */
  #wanted = 4;

  constructor(maxBytes: number = MAX_FRAME_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** Whether it holds the beginning of a frame. */
  get isWithin(): boolean {
    return this.#held > 0;
  }

  /** Takes a piece; gives the frames that are whole now. Throws INVALID_ARGUMENT for what is no frame. */
  read(piece: Buffer): Frame[] {
    if (this.#held === 0) return this.#split(piece);
    this.#append(piece);
    if (this.#held < this.#wanted) return [];
    const bytes = this.#buffer.subarray(0, this.#held);
    this.#buffer = EMPTY;
    this.#held = 0;
    return this.#split(bytes);
  }

  #split(bytes: Buffer): Frame[] {
    const frames: Frame[] = [];
    let at = 0;
    while (bytes.length - at >= 4) {
      const length = bytes.readUInt32BE(at);
      if (length > this.#maxBytes) throw bad(`a frame of ${length} bytes is over the limit of ${this.#maxBytes}`);
      if (length < FIXED_BYTES - 4) throw bad(`a frame of ${length} bytes is too short to be one`);
      if (bytes.length - at < 4 + length) {
        this.#wanted = 4 + length;
        this.#append(bytes.subarray(at));
        return frames;
      }
      frames.push(decodeFrame(bytes.subarray(at + 4, at + 4 + length)));
      at += 4 + length;
    }
    this.#wanted = 4;
    if (at < bytes.length) this.#append(bytes.subarray(at));
    return frames;
  }

  #append(piece: Buffer): void {
    const needed = this.#held + piece.length;
    if (needed > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2));
      this.#buffer.copy(larger, 0, 0, this.#held);
      this.#buffer = larger;
    }
    piece.copy(this.#buffer, this.#held);
    this.#held = needed;
  }
}

/** One frame from its binary form without the length in front. Throws INVALID_ARGUMENT for what is none. */
export function decodeFrame(bytes: Buffer): Frame {
  const type = bytes[0] ?? 0;
  if (type < 1 || type > LAST_TYPE) throw bad(`there is no frame of type ${type}`);
  const id = bytes.readUInt32BE(1);
  const headBytes = bytes.readUInt32BE(5);
  const headStart = FIXED_BYTES - 4;
  if (headStart + headBytes > bytes.length) throw bad('the head of a frame is longer than the frame');
  const isEmpty = headBytes === 2 && bytes.readUInt16BE(headStart) === 0x7b7d;
  const head = isEmpty ? NO_HEAD : parseHead(bytes.toString('utf8', headStart, headStart + headBytes));
  return { type: type as FrameType, id, head, bodies: splitBodies(bytes, headStart + headBytes) };
}

/** The head in a JSON text. Throws INVALID_ARGUMENT unless it is one object. */
export function parseHead(text: string): Head {
  let head: unknown;
  try {
    head = JSON.parse(text);
  } catch {
    throw bad('the head of a frame is not JSON');
  }
  if (typeof head === 'object' && head !== null && !Array.isArray(head)) return head as Head;
  throw bad('the head of a frame is not an object');
}

function splitBodies(bytes: Buffer, start: number): readonly Uint8Array[] {
  if (start === bytes.length) return NO_BODIES;
  const bodies: Uint8Array[] = [];
  let at = start;
  while (at < bytes.length) {
    const length = at + 4 > bytes.length ? Number.POSITIVE_INFINITY : bytes.readUInt32BE(at);
    if (at + 4 + length > bytes.length) throw bad('a body in a frame is longer than the frame');
    bodies.push(length === 0 ? EMPTY : bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return bodies;
}

/** A breach of the protocol: the connection that it came over is of no use any more. */
export function bad(what: string): BusbarError {
  return new BusbarError('INVALID_ARGUMENT', what, { hint: 'See docs/protocol.md for the form of frames.' });
}
