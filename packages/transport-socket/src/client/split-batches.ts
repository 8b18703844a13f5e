/** Splits the content of a request so that each part fits into a frame. */

import { BusbarError } from '@busbar/api/transport';
import { MAX_FRAME_BYTES } from '@busbar/wire';
import { BATCH_BYTES } from '../wire/protocol.ts';

/** Field names, punctuation and numbers of one item in a header. */
const HEADER_BYTES = 128;
/** JSON escapes a control character with six bytes. */
const UNIT_BYTES = 6;

/** Splits items into batches of about one megabyte. A larger item gets its own batch. Returns at least one batch. */
export function splitBatches<T>(items: readonly T[], sizeOf: (item: T) => number): readonly (readonly T[])[] {
  const batches: T[][] = [[]];
  let bytes = 0;
  for (const item of items) {
    const size = sizeOf(item) + HEADER_BYTES;
    if (size > MAX_FRAME_BYTES) throw tooLarge(size);
    if (bytes + size > BATCH_BYTES && bytes > 0) {
      batches.push([]);
      bytes = 0;
    }
    bytes += size;
    batches.at(-1)?.push(item);
  }
  return batches;
}

/** Upper bound of the bytes that a text takes in a header. */
export function sizeOfText(text: string | undefined): number {
  return text === undefined ? 0 : text.length * UNIT_BYTES;
}

function tooLarge(bytes: number): BusbarError {
  const problem = `one item takes ${bytes} bytes, the limit of a frame is ${MAX_FRAME_BYTES}`;
  return new BusbarError('PAYLOAD_TOO_LARGE', problem, { hint: 'Store large data elsewhere and send a reference.' });
}
