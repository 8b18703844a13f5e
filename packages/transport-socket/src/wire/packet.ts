/** Packets: whole frames that travel as one message, over the links that have messages (WebSocket, ZeroMQ). */

import { bad, encodeFrames, type Frame, FrameReader } from './frame.ts';
import { BATCH_BYTES } from './protocol.ts';

const LENGTH_BYTES = 4;

/** Frames in as few packets as hold about a megabyte each; a frame that is larger is alone. */
export function* toPackets(frames: readonly Frame[]): Generator<Buffer> {
  const bytes = encodeFrames(frames);
  if (bytes.length <= BATCH_BYTES) {
    yield bytes;
    return;
  }
  for (let start = 0, end = 0; start < bytes.length; start = end) {
    do end += lengthAt(bytes, end);
    while (end < bytes.length && end + lengthAt(bytes, end) - start <= BATCH_BYTES);
    yield bytes.subarray(start, end);
  }
}

/** The frames of a packet. Throws INVALID_ARGUMENT for what is none. */
export function readPacket(packet: Buffer, maxFrameBytes?: number): readonly Frame[] {
  const reader = new FrameReader(maxFrameBytes);
  const frames = reader.read(packet);
  if (reader.isWithin) throw bad('a message ends in the middle of a frame');
  return frames;
}

function lengthAt(bytes: Buffer, at: number): number {
  return LENGTH_BYTES + bytes.readUInt32BE(at);
}
