/** Cuts what goes to a hub into pieces that its frames hold. */

import { BusbarError } from '@busbar/api/transport';
import { MAX_FRAME_BYTES } from '../wire/frame.ts';
import { BATCH_BYTES } from '../wire/protocol.ts';

/** Names, punctuation and numbers of one item in a head. */
const HEAD_BYTES = 128;
/** JSON makes six bytes of a control character. */
const UNIT_BYTES = 6;

/** The items in batches of about a megabyte at most; an item that is larger is alone. At least one batch. */
export function batches<T>(items: readonly T[], sizeOf: (item: T) => number): readonly (readonly T[])[] {
  const cut: T[][] = [[]];
  let bytes = 0;
  for (const item of items) {
    const size = sizeOf(item) + HEAD_BYTES;
    if (size > MAX_FRAME_BYTES) throw tooLarge(size);
    if (bytes + size > BATCH_BYTES && bytes > 0) {
      cut.push([]);
      bytes = 0;
    }
    bytes += size;
    cut.at(-1)?.push(item);
  }
  return cut;
}

/** Bytes that a text takes in a head, at most. */
export function sizeOfText(text: string | undefined): number {
  return text === undefined ? 0 : text.length * UNIT_BYTES;
}

function tooLarge(bytes: number): BusbarError {
  return new BusbarError('PAYLOAD_TOO_LARGE', `one item takes ${bytes} bytes, a frame of a hub ${MAX_FRAME_BYTES}`, {
    hint: 'Store large data elsewhere and send where it is.',
  });
}
