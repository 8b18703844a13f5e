/** Arguments of scripts: batches of bounded size, ranges of names, numbers. */

import type { PageQuery } from '@busbar/api/driver';
import { compareUtf8 } from '@busbar/api/transport';
import type { Argument } from '../connection/encode-command.ts';

/** What one script takes, so that it does not block the server for long. */
export const MAX_ITEMS = 256;
export const MAX_BYTES = 1_048_576;

/** Consecutive parts of `items`, each with at most `maxItems` items. A part ends after the item that reaches 1 MiB. */
export function chunksOf<T>(
  items: readonly T[],
  maxItems: number = MAX_ITEMS,
  bytesOf: (item: T) => number = () => 0,
): (readonly T[])[] {
  const chunks: (readonly T[])[] = [];
  let from = 0;
  let bytes = 0;
  for (const [index, item] of items.entries()) {
    bytes += bytesOf(item);
    if (index + 1 - from < maxItems && bytes < MAX_BYTES) continue;
    chunks.push(items.slice(from, index + 1));
    from = index + 1;
    bytes = 0;
  }
  if (from === 0) return items.length === 0 ? [] : [items];
  if (from < items.length) chunks.push(items.slice(from));
  return chunks;
}

/** Runs each part of a batch, all at once. Returns their results, joined. */
export async function runChunks<T, Result>(
  chunks: readonly (readonly T[])[],
  run: (chunk: readonly T[]) => Promise<Result[]>,
): Promise<Result[]> {
  const [only] = chunks;
  if (only !== undefined && chunks.length === 1) return run(only);
  return (await Promise.all(chunks.map(run))).flat();
}

/** UTF-8 text never holds this byte. */
const BEYOND = Buffer.from([0xff]);

/** The range of names that start with `prefix` and follow `after`. */
export function lexRange(prefix: string, after: PageQuery['after']): readonly [from: Argument, to: Argument] {
  const to = prefix === '' ? '+' : Buffer.concat([Buffer.from(`(${prefix}`), BEYOND]);
  if (after !== undefined && compareUtf8(after, prefix) >= 0) return [`(${after}`, to];
  return [prefix === '' ? '-' : `[${prefix}`, to];
}

/** Lua reads no Infinity, so the largest safe integer stands for it. */
export function toLuaNumber(value: number): number {
  return value === Number.POSITIVE_INFINITY ? Number.MAX_SAFE_INTEGER : value;
}
