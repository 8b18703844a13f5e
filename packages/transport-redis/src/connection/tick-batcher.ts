/** Calls of one turn of the event loop, put together: what is asked of one queue in it travels in one script. */

import type { Link } from './client.ts';

/** Work that was put together under one key. */
interface Bundle<T> {
  readonly items: T[];
  readonly send: (items: T[]) => void;
}

/** Collects until the turn is over, then sends everything in one piece. */
export class Turn {
  readonly #link: Link;
  #bundles = new Map<string, Bundle<never>>();
  #isPlanned = false;

  constructor(link: Link) {
    this.#link = link;
  }

  /** Adds `item` to what `send` will get under `key` at the end of the turn. Keys go in the order of their first item. */
  add<T>(key: string, item: T, send: (items: T[]) => void): void {
    const bundle = this.#bundles.get(key) as Bundle<T> | undefined;
    if (bundle !== undefined) {
      bundle.items.push(item);
      return;
    }
    this.#bundles.set(key, { items: [item], send } as unknown as Bundle<never>);
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    setImmediate(() => this.flush());
  }

  /** Sends what was collected. */
  flush(): void {
    this.#isPlanned = false;
    const bundles = this.#bundles;
    this.#bundles = new Map();
    this.#link.together(() => {
      for (const { items, send } of bundles.values()) send(items);
    });
  }
}
