/** Splits batches into what one script takes, so that no script blocks the server for long. */

const MAX_ITEMS = 256;
const MAX_BYTES = 1_048_576;

/** Consecutive parts of `items`, each with at most `maxItems` items. A part ends after the item that reaches 1 MiB. */
export function chunksOf<T>(items: readonly T[], bytesOf: (item: T) => number, maxItems: number = MAX_ITEMS): T[][] {
  const chunks: T[][] = [];
  let chunk: T[] = [];
  let bytes = 0;
  for (const item of items) {
    chunk.push(item);
    bytes += bytesOf(item);
    if (chunk.length < maxItems && bytes < MAX_BYTES) continue;
    chunks.push(chunk);
    chunk = [];
    bytes = 0;
  }
  if (chunk.length > 0) chunks.push(chunk);
  return chunks;
}
