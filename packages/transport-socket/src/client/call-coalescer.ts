/** Makes one request of several calls: those of one turn of the event loop, of one kind, with no other in between. */

import { BATCH_BYTES } from '../wire/protocol.ts';
import type { HubLine } from './hub-client.ts';

/** Makes the request: one result for each item, in order. */
export type Ask<T, R> = (items: readonly T[], deadline: number) => Promise<R[]>;

const MAX_ITEMS = 256;

/** Joins calls of one kind on one line. */
export class Joiner<T, R> {
  readonly #line: HubLine;
  readonly #sizeOf: (item: T) => number;
  #open: Joint<T, R> | undefined;

  constructor(line: HubLine, sizeOf: (item: T) => number) {
    this.#line = line;
    this.#sizeOf = sizeOf;
  }

  /** The results of `items`. Calls with the same `key` may share a request; the last deadline counts for all of them. */
  ask(key: string, items: readonly T[], deadline: number, ask: Ask<T, R>): Promise<R[]> {
    let bytes = 0;
    for (const item of items) bytes += this.#sizeOf(item);
    let joint = this.#open;
    if (joint === undefined || !joint.hasRoom(key, items.length, bytes)) {
      const fresh = new Joint<T, R>(key);
      this.#line.hold(() => {
        this.#open = undefined;
        fresh.close(ask);
      });
      this.#open = fresh;
      joint = fresh;
    }
    return joint.take(items, bytes, deadline);
  }
}

/** Calls that leave as one. */
class Joint<T, R> {
  readonly #key: string;
  readonly #results = Promise.withResolvers<R[]>();
  #items: readonly T[] = [];
  #isOwn = false;
  #bytes = 0;
  #deadline = 0;

  constructor(key: string) {
    this.#key = key;
  }

  hasRoom(key: string, count: number, bytes: number): boolean {
    return key === this.#key && this.#items.length + count <= MAX_ITEMS && this.#bytes + bytes <= BATCH_BYTES;
  }

  async take(items: readonly T[], bytes: number, deadline: number): Promise<R[]> {
    const from = this.#items.length;
    this.#add(items);
    this.#bytes += bytes;
    this.#deadline = Math.max(this.#deadline, deadline);
    const results = await this.#results.promise;
    return results.length === items.length ? results : results.slice(from, from + items.length);
  }

  close(ask: Ask<T, R>): void {
    ask(this.#items, this.#deadline).then(this.#results.resolve, this.#results.reject);
  }

  /** A call that stays alone is not copied. */
  #add(items: readonly T[]): void {
    if (this.#items.length === 0) this.#items = items;
    else if (this.#isOwn) (this.#items as T[]).push(...items);
    else {
      this.#items = [...this.#items, ...items];
      this.#isOwn = true;
    }
  }
}
