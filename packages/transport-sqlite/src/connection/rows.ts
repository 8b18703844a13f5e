/** Writes many rows with few statements, and reads them in batches of bounded memory. */

import type { Statement } from './store.ts';
import type { Transaction } from './transaction.ts';

/** Rows of one statement: 16 take 0.75 of the time of single rows; more rows gain nothing. */
const CHUNK = 16;

/** Inserts rows, 16 in one statement where there are so many. */
export class Insertion {
  readonly #one: string;
  readonly #many: string;

  constructor(table: string, columns: string, onConflict = '') {
    const row = `(${columns.replaceAll(/[^,]+/g, '?')})`;
    const insert = (rows: string): string => `INSERT INTO ${table} (${columns}) VALUES ${rows} ${onConflict}`;
    this.#one = insert(row);
    this.#many = insert(Array(CHUNK).fill(row).join(','));
  }

  /** Inserts a row for each item: `push` appends its values. `rest` are the parameters of `onConflict`. Returns the changed rows. */
  run<Item>(
    tx: Transaction,
    items: readonly Item[],
    push: (values: unknown[], item: Item, index: number) => void,
    ...rest: unknown[]
  ): number {
    let changed = 0;
    for (let from = 0; from < items.length; ) {
      const count = items.length - from >= CHUNK ? CHUNK : 1;
      const values: unknown[] = [];
      for (let index = from; index < from + count; index += 1) push(values, items[index] as Item, index);
      changed += tx.sql(count === 1 ? this.#one : this.#many).run([...values, ...rest]).changes;
      from += count;
    }
    return changed;
  }
}

/** Bytes of bodies in one batch, approximately. */
const MAX_BYTES = 8_388_608;

/** Reads rows until their last column, the body, fills about 8 MiB. It costs 0.3 µs a row more than reading all at once. */
export function readBatch<Row extends readonly unknown[]>(
  statement: Statement<Row>,
  parameters: readonly unknown[],
): Row[] {
  const rows: Row[] = [];
  let bytes = 0;
  for (const row of statement.iterate(...parameters)) {
    rows.push(row);
    bytes += sizeOfBody(row);
    if (bytes >= MAX_BYTES) break;
  }
  return rows;
}

/** Whether a batch ended because of its size, so that more rows may follow. */
export function isBatchFull(rows: readonly (readonly unknown[])[]): boolean {
  let bytes = 0;
  for (const row of rows) bytes += sizeOfBody(row);
  return bytes >= MAX_BYTES;
}

function sizeOfBody(row: readonly unknown[]): number {
  return (row.at(-1) as string | Buffer | null)?.length ?? 0;
}
