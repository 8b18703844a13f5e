/** The values of one label of a metric, of which there are only so many. */

const MAX_VALUES = 100;
/** What stands for all values beyond the limit. */
export const OTHER = '_other';

/** Passes the first 100 values on. A peer must not be able to make series without end. */
export class BoundedLabel {
  readonly #values = new Set<string>();

  of(value: string): string {
    if (this.#values.has(value)) return value;
    if (this.#values.size >= MAX_VALUES || value.startsWith('$')) return OTHER;
    this.#values.add(value);
    return value;
  }
}
