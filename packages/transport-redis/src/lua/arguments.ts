/** Arguments of scripts: batches of bounded size, ranges of names, numbers. */

import type { PageQuery } from '@busbar/api/driver';
import { compareUtf8 } from '@busbar/api/transport';
import type { Argument } from '../connection/connection.ts';

/** What one script takes, so that it does not block the server for long. */
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
