/** Inserts rows, 16 in one statement where there are so many. */

import type { Transaction } from './transaction.ts';

/** Rows of one statement: 16 take 0.75 of the time of single rows; more rows gain nothing. */
const CHUNK = 16;

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
