/** Cuts what goes to a hub into pieces that its frames hold. */

import { BATCH_BYTES } from '../protocol.ts';

/** What the head says of one item, at least. */
const HEAD_BYTES = 128;

/** The items in batches of about a megabyte at most; an item that is larger is alone. At least one batch. */
export function batches<T>(items: readonly T[], sizeOf: (item: T) => number): readonly (readonly T[])[] {
  const cut: T[][] = [[]];
  let bytes = 0;
  for (const item of items) {
    const size = sizeOf(item) + HEAD_BYTES;
    if (bytes + size > BATCH_BYTES && bytes > 0) {
      cut.push([]);
      bytes = 0;
    }
    bytes += size;
    cut.at(-1)?.push(item);
  }
  return cut;
}
