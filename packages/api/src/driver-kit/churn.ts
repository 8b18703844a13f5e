/**
 * Maps and sets whose entries come and go with each message. V8 replaces the table of a Map after some deletions, and the old
 * table refers to the new one. As soon as one table is in the old generation, all later tables survive minor garbage
 * collections, with all entries that they held. A new Map now and then ends that chain.
 */

/** Deletions after which the table is left to the garbage collector. */
const RENEW_AFTER = 1024;

/** Like Map. Iterators have the entries that are present at first. */
export class ChurnMap<K, V> {
  #entries = new Map<K, V>();
  #deleted = 0;

  get size(): number {
    return this.#entries.size;
  }

  get(key: K): V | undefined {
    return this.#entries.get(key);
  }

  has(key: K): boolean {
    return this.#entries.has(key);
  }

  set(key: K, value: V): void {
    this.#entries.set(key, value);
  }

  /** Whether it was present. */
  delete(key: K): boolean {
    if (!this.#entries.delete(key)) return false;
    this.#deleted += 1;
    if (this.#deleted >= RENEW_AFTER && this.#deleted >= this.#entries.size) this.#renew(this.#entries);
    return true;
  }

  clear(): void {
    this.#renew([]);
  }

  values(): V[] {
    return [...this.#entries.values()];
  }

  [Symbol.iterator](): Iterator<[K, V]> {
    return [...this.#entries][Symbol.iterator]();
  }

  #renew(entries: Iterable<readonly [K, V]>): void {
    this.#entries = new Map(entries);
    this.#deleted = 0;
  }
}

/** Like Set. */
export class ChurnSet<T> {
  readonly #items = new ChurnMap<T, T>();

  get size(): number {
    return this.#items.size;
  }

  add(item: T): void {
    this.#items.set(item, item);
  }

  /** Whether it was present. */
  delete(item: T): boolean {
    return this.#items.delete(item);
  }

  clear(): void {
    this.#items.clear();
  }

  [Symbol.iterator](): Iterator<T> {
    return this.#items.values()[Symbol.iterator]();
  }
}
