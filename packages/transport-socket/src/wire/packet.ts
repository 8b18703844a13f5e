/** Packets: whole frames in one message, for links that carry messages (WebSocket, ZeroMQ). */

import { encodeFrames, type Frame, FrameReader, protocolError } from '@busbar/wire';
import { BATCH_BYTES } from './protocol.ts';

const LENGTH_BYTES = 4;

/** Packs frames into as few packets of about one megabyte as possible. A larger frame gets its own packet. */
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

/** The frames of a packet. Throws INVALID_ARGUMENT for an illegal packet. */
export function readPacket(packet: Buffer, maxFrameBytes?: number): readonly Frame[] {
  const reader = new FrameReader(maxFrameBytes);
  const frames = reader.read(packet);
  if (reader.isPartial) throw protocolError('a message ends within a frame');
  return frames;
}

function lengthAt(bytes: Buffer, at: number): number {
  return LENGTH_BYTES + bytes.readUInt32BE(at);
}
